#!/usr/bin/env python3
"""Every development task in one command, on nothing but a Python.

    python3 dev.py demo            show the audit trail of a small app
    python3 dev.py test            run all tests and require full branch coverage
    python3 dev.py test -k policy  hand arguments to pytest; coverage is not required then
    python3 dev.py crash           kill servers and break disks for an hour, and count what the trail has lost
    python3 dev.py bench           measure what the trail costs beside others, and write docs/performance.md anew
    python3 dev.py bench --help    parts of it, longer runs, comparisons of two revisions
    python3 dev.py lint            check style, format and types
    python3 dev.py fix             repair style and format
    python3 dev.py docs            build the documentation, warnings being errors

The first run makes a private virtual environment under .venv/ with the versions of constraints.txt,
by uv if there is one, else by pip. Later runs start at once, until a dependency changes.
Paths in arguments are relative to this file's directory.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("dev.py needs Python 3.11 or newer, and this is {}.{}: run it with another one.".format(*sys.version_info))

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
CRASH_SUITES = ["tests/crash", "tests/syscalls", "tests/journal"]
CRASH_SECONDS = 3600  # for one test; they take as long as they are told to
PIP = "pip==26.3"  # the first to know both --group and --build-constraint is 25.3


class Environment:
    """A virtual environment under .venv/ that holds this project, some of its extras and some dependency groups."""

    def __init__(self, name: str, *, extras: Sequence[str], groups: Sequence[str] = ()) -> None:
        self.home = ROOT / ".venv" / name
        self.python = self.home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.wanted = [f"--group={group}" for group in groups] + ["--editable", f".[{','.join(extras)}]"]

    def ready(self) -> Path:
        """Return the environment's interpreter, after building the environment if it is not what it should be."""
        # The stamp is written last, so a build that was interrupted is done again.
        stamp = self.home / "stamp"
        if not (stamp.exists() and stamp.read_text() == self._fingerprint()):
            print(f"Preparing {self.home} (once; a minute or so) ...", flush=True)
            self._build()
            stamp.write_text(self._fingerprint())
        return self.python

    def _fingerprint(self) -> str:
        """Digest everything that decides what is installed; tool settings in pyproject.toml do not."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        tables = [project[name] for name in ("build-system", "project", "dependency-groups")]
        facts = (sys.version, str(ROOT), self.wanted, tables, CONSTRAINTS.read_text(encoding="utf-8"))
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def _build(self) -> None:
        python, pins = str(self.python), str(CONSTRAINTS)
        pinned = ["--constraint", pins, "--build-constraint", pins, *self.wanted]
        if uv := shutil.which("uv"):
            must([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(self.home)])
            must([uv, "pip", "install", "--quiet", "--python", python, *pinned])
            return
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit(
                "This Python cannot make virtual environments. Install its venv package "
                "(Debian and Ubuntu: apt-get install python3-venv), install uv, or run dev.py with another Python."
            )
        must([sys.executable, "-m", "venv", "--clear", str(self.home)])
        install = [python, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"]
        must([*install, PIP])
        must([*install, *pinned])


def run(command: Sequence[str]) -> int:
    """Run a command in the project's directory and return its exit code, 128 + n for signal n as a shell would."""
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return code if code >= 0 else 128 - code


def must(command: Sequence[str]) -> None:
    """Run a command that the rest depends on, and leave with its exit code if it fails."""
    if code := run(command):
        sys.exit(code)


def become(python: Path, *arguments: str) -> int:
    """Let a command take this process over, so that signals and exit codes are its own."""
    command = [str(python), *arguments]
    if os.name != "nt":  # where exec would return to the shell at once
        os.chdir(ROOT)
        sys.stdout.flush()
        os.execv(command[0], command)
    return run(command)


def each(python: Path, *commands: Sequence[str]) -> int:
    """Run all commands, whatever the earlier ones say, and return the first exit code that is not zero."""
    codes = []
    for command in commands:
        print(f"$ {' '.join(command)}", flush=True)
        codes.append(run([str(python), "-m", *command]))
    return next(filter(None, codes), 0)


def demo(arguments: list[str]) -> int:
    """Run the demo in an environment of its own: few packages, so that a fresh clone shows it soon."""
    return become(Environment("demo", extras=["demo"]).ready(), "-m", "asgi_audit", "demo", *arguments)


def test(arguments: list[str]) -> int:
    """Run the given tests, or all of them with the coverage gate of pyproject.toml."""
    everything = ["--cov", "--cov-report=term-missing", "--numprocesses=auto", "--dist=loadfile"]
    return become(development(), "-m", "pytest", *(arguments or everything))


def crash(arguments: list[str]) -> int:
    """Do in full what the tests of crashes only sample; with arguments for pytest, such as `-k killed`."""
    return become(
        development(), "-m", "pytest", *CRASH_SUITES, "--full", "-s", f"--timeout={CRASH_SECONDS}", *arguments
    )


def bench(arguments: list[str]) -> int:
    """Measure: all of it takes a quarter of an hour, on an otherwise idle machine."""
    return become(development(), "-m", "benchmarks", *arguments)


def lint(_: list[str]) -> int:
    """Check style, format and types of everything that is Python here."""
    return each(development(), ["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])


def fix(_: list[str]) -> int:
    """Repair what ruff can repair."""
    return each(development(), ["ruff", "check", "--fix"], ["ruff", "format"])


def docs(_: list[str]) -> int:
    """Build the documentation from scratch, because pages from the cache would keep their warnings to themselves."""
    return each(development(), ["sphinx", "-W", "--keep-going", "-q", "-E", "-a", "docs", "docs/_build"])


def development() -> Path:
    """Return the interpreter of the environment in which everything but the demo runs."""
    return Environment("dev", extras=["all", "demo"], groups=["dev"]).ready()


VERBS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "crash": crash,
    "bench": bench,
    "lint": lint,
    "fix": fix,
    "docs": docs,
}
TAKES_ARGUMENTS = {"demo", "test", "crash", "bench"}


def main(arguments: list[str]) -> int:
    """Carry out one verb; 2 means that the command line was not understood."""
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb in {"-h", "--help", "help"}:
        print(__doc__)
        return 0
    if verb not in VERBS:
        print(f"dev.py: unknown verb {verb!r}; try: {', '.join(VERBS)}" if verb else __doc__, file=sys.stderr)
        return 2
    if rest and verb not in TAKES_ARGUMENTS:
        print(f"dev.py: {verb} takes no arguments", file=sys.stderr)
        return 2
    try:
        return VERBS[verb](rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
