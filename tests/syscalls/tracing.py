"""Strace, on one thread of the program: what it calls on the journal, and what becomes of one of these calls."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from tests.lives.processes import ENVIRONMENT
from tests.syscalls.program import TRACED

ROOT: Final = Path(__file__).parent.parent.parent
#: What changes a file system, or is asked whether it has; as the kernels of different machines name it.
CALLS: Final = (
    *("openat", "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "sync_file_range", "ftruncate"),
    *("fallocate", "flock", "fchmod", "?mkdir", "mkdirat", "?rmdir", "?unlink", "unlinkat", "?link", "linkat"),
    *("?rename", "?renameat", "renameat2", "?chmod", "fchmodat"),
)
MODES: Final = {"kill": "signal=SIGKILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
_CALL = re.compile(r"(\w+)\(")


class Point(NamedTuple):
    """The call of a thread to strike: the nth of its name since the thread began, whatever it was on."""

    thread: str
    call: str
    number: int


class Program:
    """The program under test, which plays the script in one forked process after the other."""

    def __init__(self) -> None:
        require_strace()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.syscalls.program"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def play(self, home: Path, thread: str, *options: str, fsync: str = "interval") -> int:
        """Play the script with this thread traced; return the wait status."""
        self._ask(job="play", home=str(home), thread=thread, fsync=fsync)
        answer = self._answer()
        if (attach := answer.get("attach")) is None:
            return answer["ended"]
        command = ["strace", "-q", "-y", "-s", "0", "-o", str(home / "strace"), "-p", str(attach)]
        command += ["-e", f"trace={','.join(CALLS)},getppid", "-e", f"inject=getppid:retval={TRACED}"]
        with subprocess.Popen([*command, *options]):
            return self._answer()["ended"]

    def recover(self, home: Path) -> int:
        """Start the program anew on what another one has left; return the wait status."""
        self._ask(job="recover", home=str(home))
        return self._answer()["ended"]

    def _ask(self, **job: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


def require_strace() -> None:
    """What cannot run fails with the line that installs it."""
    assert shutil.which("strace"), "these tests need strace: apt-get install strace"


def journal_calls(home: Path, thread: str, log: str = "strace") -> list[Point]:
    """The calls on the journal that a traced run has seen, each with its number among all calls of its name."""
    counts: Counter[str] = Counter()
    found = []
    if not (home / log).exists():  # there was no such thread
        return []
    for line in (home / log).read_text().splitlines():
        if (call := _CALL.match(line)) and call[1] != "getppid":
            counts[call[1]] += 1
            if str(home / "journal") in line:
                found.append(Point(thread, call[1], counts[call[1]]))
    return found


def journal_threads(home: Path) -> set[str]:
    """The names of the threads that have called anything on the journal, in a run that was traced with `-ff`."""
    names = dict(line.split(" ", 1) for line in (home / "threads").read_text().splitlines())
    return {
        name
        for thread, name in names.items()
        if not name.startswith("asyncio_") and journal_calls(home, name, f"strace.{thread}")
    }


def struck(home: Path, point: Point) -> bool:
    """Whether a run was struck at this point, and that was a call on the journal."""
    log = home / "strace"
    lines = [line for line in log.read_text().splitlines() if line.startswith(f"{point.call}(")] if log.exists() else []
    return (
        len(lines) >= point.number
        and str(home / "journal") in lines[point.number - 1]
        and (lines[point.number - 1].endswith("(INJECTED)") or lines[point.number - 1].endswith("= ?"))
    )
