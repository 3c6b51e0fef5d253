"""Segments come and go; those that are left say all that is needed."""

import shutil
from pathlib import Path

import pytest

from asgi_audit.journal import FileJournal
from tests.contracts.journal_contract import Listening
from tests.samples import record

_MAX_BYTES = 2**17  # an eighth of which is a segment


def segments(place: Path, writer: str) -> list[str]:
    """The names of the files that stand there."""
    return sorted(path.name for path in (place / writer).glob("*.seg"))


@pytest.mark.parametrize("taken_away", [False, True])
def test_segments_that_every_lane_has_passed_are_gone(tmp_path: Path, taken_away: bool) -> None:
    """Oldest first, and the first one too: what it says of running requests is no longer true.

    The same holds for segments that were written again because somebody has taken the directory away.
    """
    journal = FileJournal(tmp_path, max_bytes=_MAX_BYTES)
    journal.attach(["first"], Listening())
    journal.append(record())
    if taken_away:
        shutil.rmtree(tmp_path / journal.writer)
        journal.sync()
    while len(segments(tmp_path, journal.writer)) < 3:
        journal.append(record())
    journal.sync()
    before = segments(tmp_path, journal.writer)
    journal.acknowledge("first", journal.progress("first").readable)
    assert segments(tmp_path, journal.writer) == before[-1:]
