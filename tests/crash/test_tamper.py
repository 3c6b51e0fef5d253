"""What the kill loop does to dead writers' directories is what a crash can do, and no more."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.journal.frame import CURSOR, END, HEADER, INTENT, RECORD, Damage, entries, frame
from tests.crash.database import Row
from tests.crash.tamper import due_again, recovered, rewind, tear, writers

_ENTRIES = [
    frame(HEADER, b'{"format":1,"first":0}'),
    frame(INTENT, b"first", b'{"id":"first"}'),
    frame(RECORD, b"0", b"first", b'{"id":"first"}'),
    frame(INTENT, b"second", b'{"id":"second"}'),
]


def dead(journal: Path, content: bytes) -> Path:
    """A dead writer's directory, with room allocated behind its entries."""
    directory = journal / "cafe"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "lock").touch()
    (directory / "cursors").write_bytes(frame(CURSOR, b'{"lane":"database","position":1}'))
    (directory / "000001.seg").write_bytes(content + bytes(1000))
    return directory


@given(seed=st.integers())
def test_a_torn_tail_is_the_beginning_of_an_entry(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Behind the last whole entry stands a part of the record of the request that was on its way; the rest stays."""
    directory = dead(tmp_path_factory.mktemp("journal"), b"".join(_ENTRIES))
    tear(directory, random.Random(seed))
    content = (directory / "000001.seg").read_bytes()
    assert content.startswith(b"".join(_ENTRIES))
    *whole, tail = entries(content)
    assert len(whole) == len(_ENTRIES)
    assert isinstance(tail, Damage)
    assert tail.torn
    assert frame(RECORD, b"1", b"second", b'{"id":"second"}').startswith(tail.content)


def test_what_is_delivered_again_was_stored_before(tmp_path: Path) -> None:
    """What counts as a duplicate to be suppressed stands in the database, and in the directory behind the cursor."""
    directory = dead(tmp_path, b"".join([*_ENTRIES, frame(RECORD, b"1", b"second", b"{}")]))
    stored = [
        Row(id="first", writer="cafe", seq=0, kind="http"),
        Row(id="older", writer="cafe", seq=7, kind="http"),
        Row(id="other", writer="f00d", seq=1, kind="http"),
    ]
    assert due_again(directory, stored) == 0
    rewind(directory)
    assert due_again(directory, stored) == 1


def test_who_is_who(tmp_path: Path) -> None:
    """Writers' directories are told from others, and those that a successor has dealt with from those that wait."""
    directory = dead(tmp_path, b"".join([*_ENTRIES, frame(END)]))
    (tmp_path / "quarantine").mkdir()
    (tmp_path / ".new").mkdir()
    assert writers(tmp_path) == [directory]
    assert not recovered(directory)
    (directory / "000002.seg").write_bytes(frame(HEADER, b'{"of":"cafe"}'))
    assert recovered(directory)
