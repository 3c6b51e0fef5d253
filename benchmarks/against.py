"""What a change did: the same benchmarks over the sources of two revisions, in turns."""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.bench import Scale
from benchmarks.results import Figure, Report
from benchmarks.table import table

_ROUNDS: Final = 3
_GIT: Final = ("git", "worktree")
_Key = tuple[str, str, str]  # table, row, column


def compare(root: Path, revision: str, sections: Sequence[str], scale: Scale) -> int:
    """Print each figure before and after. The benchmarks themselves are those of today."""
    found: dict[str, dict[_Key, list[float]]] = {"before": defaultdict(list), "after": defaultdict(list)}
    with tempfile.TemporaryDirectory() as temporary:
        before = Path(temporary) / "before"
        subprocess.run([*_GIT, "add", "--detach", "--quiet", before, revision], cwd=root, check=True)
        try:
            for _ in range(1 if scale is Scale.SMOKE else _ROUNDS):
                for name, source in (("before", before / "src"), ("after", root / "src")):
                    report = _measured(root, source, sections, scale, Path(temporary) / "results.json")
                    for key, value in _figures(report):
                        found[name][key].append(value)
        finally:
            subprocess.run([*_GIT, "remove", "--force", before], cwd=root, check=True)
    rows = []
    for key in found["before"].keys() & found["after"].keys():
        old, new = (Figure.of(found[name][key]) for name in ("before", "after"))
        rows.append([" · ".join(key), old, new, new.median / old.median if old.median else None])
    print(table(["figure", f"at {revision}", "now", "×"], sorted(rows, key=lambda row: str(row[0]))))
    return 0


def _measured(root: Path, source: Path, sections: Sequence[str], scale: Scale, output: Path) -> Report:
    """The results of a run with another source of the library."""
    options = [] if scale is Scale.NORMAL else [f"--{scale}"]
    command = [sys.executable, "-m", "benchmarks", "--json", str(output), *options, "--only", *sections]
    environment = {**os.environ, "PYTHONPATH": f"{source}:{root}"}
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    return msgspec.json.decode(output.read_bytes(), type=Report)


def _figures(report: Report) -> list[tuple[_Key, float]]:
    found = []
    for results in report.sections.values():
        for each in results.tables:
            for name, *cells in each.rows:
                for column, cell in zip(each.columns[1:], cells, strict=True):
                    if isinstance(cell, Figure | float | int):
                        value = cell.median if isinstance(cell, Figure) else float(cell)
                        found.append(((each.name, str(name), column), value))
    return found
