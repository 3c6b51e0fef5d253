import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.anchors.base import line_of
from asgi_audit.errors import ConfigurationError
from tests.contracts.anchor_contract import LOG, Maker, ReadableAnchorContract, Reader, checkpoint


class TestFileAnchor(ReadableAnchorContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Maker:
        return lambda: FileAnchor(tmp_path / "checkpoints")

    @pytest.fixture
    def read(self, tmp_path: Path) -> Reader:
        return lambda: list(FileAnchor(tmp_path / "checkpoints").read())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the checkpoints are to be."""
    return tmp_path / "checkpoints"


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the umask for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.asyncio
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0, 0o644), (0o027, 0o640)])
async def test_auditors_may_read_the_file(path: Path, umask: Callable[[int], int], mask: int, mode: int) -> None:
    """And nobody else may write it; what the umask takes away stays away."""
    umask(mask)
    await FileAnchor(path).publish(checkpoint(1))
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.asyncio
async def test_a_file_keeps_its_mode(path: Path) -> None:
    """Whoever created it has decided."""
    path.touch(mode=0o600)
    await FileAnchor(path).publish(checkpoint(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.asyncio
async def test_each_checkpoint_is_one_line(path: Path) -> None:
    """Of ASCII, so that any tool can read it."""
    for size in range(3):
        await FileAnchor(path).publish(checkpoint(size))
    content = path.read_bytes()
    assert content.isascii()
    assert content.count(b"\n") == 3
    assert content.endswith(b'Z"}\n')


@pytest.mark.asyncio
async def test_a_torn_line_spoils_no_other(path: Path) -> None:
    """What a crash has torn is neither read nor continued."""
    anchor = FileAnchor(path)
    await anchor.publish(checkpoint(1))
    with path.open("ab") as file:
        file.write(line_of(checkpoint(2)).encode()[:100])
    assert await anchor.newest(LOG) == checkpoint(1)
    assert list(anchor.read()) == [checkpoint(1)]
    await anchor.publish(checkpoint(3))
    assert await anchor.newest(LOG) == checkpoint(3)
    assert list(anchor.read()) == [checkpoint(1), checkpoint(3)]


@pytest.mark.asyncio
async def test_a_logs_own_file_can_be_read(path: Path) -> None:
    """With what a formatter wrote before the lines, and whatever else is in the log."""
    lines = [
        "2026-11-26 01:02:03,456 INFO asgi_audit.checkpoints " + line_of(checkpoint(1)),
        "2026-11-26 01:02:04,456 INFO {uvicorn} GET /\r",
        '{"message":"a line","checkpoint":7}',
        "<14>1 2026-11-26T01:02:03Z host {app} - - " + line_of(checkpoint(2)) + "\r",
        "2026-11-26 01:02:05,456 INFO bye",
    ]
    path.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    assert list(FileAnchor(path).read()) == [checkpoint(1), checkpoint(2)]
    assert await FileAnchor(path).newest(LOG) == checkpoint(2)


@pytest.mark.asyncio
async def test_a_long_file_is_read_from_its_end(path: Path) -> None:
    """The last line of half a terabyte is there at once."""
    with path.open("wb") as file:
        file.truncate(1 << 39)
    anchor = FileAnchor(path)
    await anchor.publish(checkpoint(1))
    began = time.monotonic()
    assert await anchor.newest(LOG) == checkpoint(1)
    assert time.monotonic() - began < 5


@pytest.mark.asyncio
async def test_the_newest_may_stand_far_from_the_end(path: Path) -> None:
    """Behind more than 10 MiB of another log, with a line among it that is too long."""
    other = line_of(checkpoint(1, "other")).encode() + b"\n"
    with path.open("wb") as file:
        file.write(line_of(checkpoint(1)).encode() + b"\n" + line_of(checkpoint(2)).encode() + b"\n")
        file.write(
            other * 1000 + b'{"checkpoint":"' + b"x" * (3 << 20) + b'"}\n' + other * (12 * (1 << 20) // len(other))
        )
    assert path.stat().st_size > 14 << 20
    anchor = FileAnchor(path)
    assert await anchor.newest(LOG) == checkpoint(2)
    assert await anchor.newest("none") is None
    assert sum(1 for _ in anchor.read()) == 2 + 1000 + 12 * (1 << 20) // len(other)


_PUBLISH = """
import asyncio, sys
from asgi_audit.anchors import FileAnchor
from tests.contracts.anchor_contract import checkpoint

async def main():
    for size in range(200):
        await FileAnchor(sys.argv[1]).publish(checkpoint(size, sys.argv[2] * 2000))

asyncio.run(main())
"""

_FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from asgi_audit.anchors import FileAnchor
from tests.contracts.anchor_contract import checkpoint

async def main():
    anchor = FileAnchor(sys.argv[1])
    await anchor.publish(checkpoint(1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    room = Path(sys.argv[1]).stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        await anchor.publish(checkpoint(2))
    except OSError as error:
        print(type(error).__name__)
    print(await anchor.newest("example.org") == checkpoint(1))

asyncio.run(main())
"""

_ROOT = Path(__file__).parent.parent.parent


def test_processes_publish_side_by_side(path: Path) -> None:
    """No line is mixed with another's, and none is missing."""
    children = [subprocess.Popen([sys.executable, "-c", _PUBLISH, str(path), name], cwd=_ROOT) for name in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert path.read_bytes().count(b"\n") == 600
    found = list(FileAnchor(path).read())
    for name in "abc":
        assert [each for each in found if each[0] == name] == [checkpoint(size, name * 2000) for size in range(200)]


def test_what_does_not_fit_is_taken_back(path: Path) -> None:
    """A disk that is full leaves no half of a line, and the publisher is told."""
    run = [sys.executable, "-c", _FULL.replace("example.org", LOG), str(path)]
    output = subprocess.run(run, cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    assert output.split() == ["OSError", "True"]
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.asyncio
async def test_a_place_that_has_gone_raises(tmp_path: Path) -> None:
    """As any that can't be written or read; what can't be read is not taken for empty."""
    directory = tmp_path / "away"
    directory.mkdir()
    anchor = FileAnchor(directory / "checkpoints")
    directory.rmdir()
    with pytest.raises(FileNotFoundError):
        await anchor.publish(checkpoint(1))
    directory.mkdir()
    (directory / "checkpoints").mkdir()
    with pytest.raises(IsADirectoryError):
        await anchor.publish(checkpoint(1))
    with pytest.raises(IsADirectoryError):
        await anchor.newest(LOG)
    with pytest.raises(IsADirectoryError):
        list(anchor.read())


@pytest.mark.asyncio
async def test_a_file_that_is_not_there_holds_nothing_yet(path: Path) -> None:
    """For a sealer; a verifier was told a wrong place."""
    anchor = FileAnchor(path)
    assert await anchor.newest(LOG) is None
    with pytest.raises(ConfigurationError, match=r"anchor='.*/checkpoints': there is no such file; give") as caught:
        list(anchor.read())
    assert caught.value.argument == "anchor"
    assert not path.exists()


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """At construction: a directory that is missing, and one where a file should be."""
    with pytest.raises(ConfigurationError, match=r"path='.*': the directory .*/missing does not exist; create it"):
        FileAnchor(tmp_path / "missing" / "checkpoints")
    with pytest.raises(ConfigurationError, match=r"path='.*': this is a directory; name a file in it"):
        FileAnchor(tmp_path)


@pytest.mark.asyncio
async def test_a_relative_path_means_where_the_process_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where it has gone since; its name is the whole path."""
    monkeypatch.chdir(tmp_path)
    anchor = FileAnchor("checkpoints")
    monkeypatch.chdir("/")
    await anchor.publish(checkpoint(1))
    assert (tmp_path / "checkpoints").exists()
    assert anchor.name == f"file:{tmp_path}/checkpoints"
    assert repr(anchor) == f"FileAnchor('{tmp_path}/checkpoints')"
