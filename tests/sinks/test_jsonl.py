import os
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from asgi_audit import AuditTrail, ConfigurationError, JSONLinesSink
from asgi_audit.record import Record, decode, encode
from asgi_audit.sinks import FunctionSink, Sink
from asgi_audit.sinks.lines import append_lines
from asgi_audit.testing import MemorySink, check_sink
from tests.contracts.sink_contract import IdempotentSinkContract, Maker, Reader, SinkContract
from tests.delivery.faulty import FAST, PATIENCE
from tests.samples import records


def read_file(path: Path) -> list[Record]:
    """What stands in the file, one record per id, as its reader should take it."""
    return list({each.id: each for each in map(decode, path.read_bytes().splitlines())}.values())


def reader(read: Callable[[], Sequence[Record]]) -> Reader:
    """A coroutine function around it."""

    async def read_async() -> Sequence[Record]:
        return read()

    return read_async


class TestJSONLinesSink(IdempotentSinkContract):
    """At least once in the file, once for those who read it as they should."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Maker:
        return lambda: JSONLinesSink(tmp_path / "audit.jsonl")

    @pytest.fixture
    def read(self, tmp_path: Path) -> Reader:
        return reader(lambda: sorted(read_file(tmp_path / "audit.jsonl"), key=lambda each: each.id))


class Place(MemorySink):
    """A sink onto a place that outlives it."""

    def __init__(self, place: MemorySink) -> None:
        super().__init__()
        self.write = place.write  # type: ignore[method-assign]


class TestMemorySink(IdempotentSinkContract):
    @pytest.fixture
    def place(self) -> MemorySink:
        return MemorySink()

    @pytest.fixture
    def make(self, place: MemorySink) -> Maker:
        return lambda: Place(place)

    @pytest.fixture
    def read(self, place: MemorySink) -> Reader:
        return reader(lambda: sorted(place.everything, key=lambda each: each.id))


class TestFunctionSink(SinkContract):
    @pytest.fixture
    def place(self) -> list[Record]:
        return []

    @pytest.fixture
    def make(self, place: list[Record]) -> Maker:
        return lambda: FunctionSink(place.extend)

    @pytest.fixture
    def read(self, place: list[Record]) -> Reader:
        return reader(lambda: place)


@pytest.mark.asyncio
async def test_it_passes_the_check_for_sinks(tmp_path: Path) -> None:
    """Read as it should be."""

    async def read() -> Sequence[Record]:
        return read_file(tmp_path / "audit.jsonl")

    make: Callable[[], Sink] = lambda: JSONLinesSink(tmp_path / "audit.jsonl")  # noqa: E731
    done: Awaitable[None] = check_sink(make, read)
    await done


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask; a batch is one write of whole lines."""
    path = tmp_path / "audit.jsonl"
    umask = os.umask(0)
    try:
        with AuditTrail(JSONLinesSink(path), delivery=FAST) as trail:
            trail.event("a")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.action for each in read_file(path)] == ["trail.open", "a", "trail.close"]
    assert repr(JSONLinesSink(path)) == f"JSONLinesSink({str(path)!r})"


@pytest.mark.parametrize("rotate", [lambda path: path.rename(f"{path}.1"), lambda path: path.unlink()])
def test_the_file_may_be_renamed_or_removed(rotate: Callable[[Path], None], tmp_path: Path) -> None:
    """The next batch makes a new one, as private as the first."""
    path = tmp_path / "audit.jsonl"
    trail = AuditTrail(JSONLinesSink(path), delivery=FAST)
    trail.event("a")
    trail.flush(PATIENCE)
    rotate(path)
    trail.event("b")
    trail.flush(PATIENCE)
    assert [each.action for each in read_file(path)] == ["b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    trail.close(PATIENCE)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """At construction: no record has to wait for somebody to create it."""
    with pytest.raises(ConfigurationError, match=r"path='.*': the directory .*/missing does not exist; create it"):
        JSONLinesSink(tmp_path / "missing" / "audit.jsonl")


def test_a_relative_path_means_where_the_process_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where it has gone since."""
    monkeypatch.chdir(tmp_path)
    sink = JSONLinesSink("audit.jsonl")
    monkeypatch.chdir("/")
    with AuditTrail(sink, delivery=FAST) as trail:
        trail.event("a")
    assert (tmp_path / "audit.jsonl").exists()


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """A crash may leave half a line; the next record begins on its own."""
    path = tmp_path / "audit.jsonl"
    first, second = records(2)
    append_lines(path, encode(first) + b"\n")
    with path.open("ab") as file:
        file.write(encode(second)[:20])
    append_lines(path, encode(second) + b"\n")
    lines = path.read_bytes().split(b"\n")
    assert (decode(lines[0]), lines[1], decode(lines[2]), lines[3]) == (first, encode(second)[:20], second, b"")


_FULL = """
import resource, signal, sys
from pathlib import Path
from asgi_audit.sinks.lines import append_lines

path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
append_lines(path, b"whole\\n" * 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    append_lines(path, b"does not fit\\n" * 10)
except OSError as error:
    print(type(error).__name__)
"""

_APPEND = """
import sys
from pathlib import Path
from asgi_audit.sinks.lines import append_lines

for number in range(200):
    append_lines(Path(sys.argv[1]), (sys.argv[2] * 5000 + "\\n").encode() * 2)
"""


def test_what_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    """A disk that is full leaves no half of a batch, in which a line would be torn."""
    path = tmp_path / "audit.jsonl"
    run = subprocess.run([sys.executable, "-c", _FULL, str(path)], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "OSError"
    assert path.read_bytes() == b"whole\n" * 10


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    """No line is mixed with another's, and none is missing."""
    path = tmp_path / "audit.jsonl"
    children = [subprocess.Popen([sys.executable, "-c", _APPEND, str(path), name]) for name in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    lines = path.read_text().splitlines()
    assert sorted(lines) == [name * 5000 for name in "abc" for _ in range(400)]


def test_what_could_not_be_synced_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails at the last moment: the batch comes again as a whole."""
    path = tmp_path / "audit.jsonl"
    append_lines(path, b"first\n")

    def broken(descriptor: int) -> None:
        raise OSError("I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="I/O error"):
            append_lines(path, b"second\n")
    assert path.read_bytes() == b"first\n"
