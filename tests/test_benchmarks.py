"""The benchmarks run, and say what they have measured. How long it takes is no matter of tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import adapters, group_commit, in_process, sealing

ROOT = Path(__file__).parent.parent


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], main: object, *options: str) -> str:
    """Run a benchmark with options; return what it prints."""
    assert callable(main)
    monkeypatch.setattr(sys, "argv", ["benchmark", *options])
    main()
    return capsys.readouterr().out


def rows(output: str) -> dict[str, list[str]]:
    """Return what stands in the tables, by their first column."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if "|" in line]
    return {name: numbers for name, *numbers in cells if not name.startswith("-")}


def are_numbers(cells: list[str]) -> bool:
    """Tell whether all of them are numbers, or said to be missing."""
    return all(re.fullmatch(r"-?\d+(\.\d\d)?|-", cell) for cell in cells)


def test_a_recorded_request_is_measured_beside_the_no_op(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each way to record has a row of numbers, above those of the no-op wrapper."""
    options = ["--requests", "5", "--repetitions", "2", "--no-instructions"]
    found = rows(run(monkeypatch, capsys, in_process.main, *options))
    assert found.pop("work")[:2] == ["CPU µs", "x no-op"]
    assert set(found) == {"no-op", "skipped", "memory", "file, never", "file, interval", "file, interval, to SQLite"}
    assert all(map(are_numbers, found.values()))


def test_waiting_for_the_disk_is_measured_beside_a_bare_group_commit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each number of concurrent requests has a row of numbers."""
    options = ["--requests", "2", "--repetitions", "1", "--pause", "0.001"]
    found = rows(run(monkeypatch, capsys, group_commit.main, *options))
    assert found.pop("concurrent")[:3] == ["bare p50", "p50", "x bare"]
    assert set(found) == {"1", "16", "64", "256"}
    assert all(map(are_numbers, found.values()))


def test_what_instructions_are_counted_of_serves_and_delivers_nothing(tmp_path: Path) -> None:
    """The process that callgrind watches ends with its last request: what it has recorded is left in the journal."""
    command = [sys.executable, "-m", "benchmarks.instructions", "file, interval", "3", str(tmp_path)]
    environment = {"PYTHONPATH": ":".join(filter(None, [*sys.path, str(ROOT)]))}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    (segment,) = tmp_path.glob("journal/*/*.seg")
    assert segment.read_bytes().count(b'"POST"') >= 6


def test_sealing_and_verifying_are_measured_beside_storing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each kind of work and each table has a row of numbers, and what was stored is sealed and verified."""
    monkeypatch.chdir(tmp_path)
    output = run(monkeypatch, capsys, sealing.main, "--records", "1500")
    found = rows(output)
    assert "PASS: 1500 records" in output
    assert {"store", "seal", "verify", "audit_records", "audit_leaves", "audit_checkpoints"} <= set(found)
    assert all(are_numbers(cells) for name, cells in found.items() if name not in {"work", "on disk"})


def test_each_adapter_is_measured_in_its_framework(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the bare application, and beside the middleware alone."""
    found = rows(run(monkeypatch, capsys, adapters.main, "--requests", "2", "--repetitions", "1"))
    assert found.pop("framework") == ["bare", "middleware adds", "installed adds", "adapter", "x bare"]
    assert set(found) == {"starlette", "fastapi", "litestar", "quart", "django", "falcon", "blacksheep", "sanic"}
    assert all(are_numbers(cells) for cells in found.values())
