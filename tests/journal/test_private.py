"""What waits in a journal is for its user alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_audit.journal import FileJournal
from tests.contracts.journal_contract import Listening
from tests.samples import record


@pytest.fixture
def generous_umask() -> Iterator[None]:
    """A user who lets everybody read what he makes."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("generous_umask")
def test_nobody_else_can_read_what_a_journal_makes(tmp_path: Path) -> None:
    """Directories are 0700 and files 0600, also what recovery adds, and what it sets aside."""
    place = tmp_path / "journal"
    for _ in range(2):  # the second one finds what the first has left, with a damaged entry in it
        journal = FileJournal(place)
        journal.attach(["first"], Listening())
        journal.append(record())
        journal.append(record())
        journal.sync()
        journal.read("first", 1)
        journal.acknowledge("first", 1)
        journal.look()
        (segment,) = (place / journal.writer).glob("*.seg")
        content = segment.read_bytes()
        at = content.index(b" R 1 ") + 30
        segment.write_bytes(content[:at] + b"?" + content[at + 1 :])
        journal.renew()  # lets go of the lock, as the end of the process does
    made = [place, *place.rglob("*")]
    assert {path.name for path in made} >= {"quarantine", "000002.added.seg", "cursors", "lock"}
    assert {path.relative_to(place).as_posix(): oct(stat.S_IMODE(path.stat().st_mode)) for path in made} == {
        path.relative_to(place).as_posix(): "0o700" if path.is_dir() else "0o600" for path in made
    }
