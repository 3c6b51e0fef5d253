import os
import time
from pathlib import Path

from asgi_audit.journal.backlog import Backlog
from asgi_audit.record import Kind, Record


class Nobody:
    """Who hears nothing."""

    def readable(self) -> None: ...

    def troubled(self, what: str, error: BaseException | None = None) -> None:
        raise AssertionError(what) from error

    def lost(self, reason: str, count: int) -> None:
        raise AssertionError(reason, count)

    def own(self, kind: Kind, data: dict[str, object]) -> Record:
        raise AssertionError(kind, data)


def test_a_directory_that_is_being_made_is_left_to_who_makes_it(tmp_path: Path) -> None:
    """Its lock is free for a moment, before its writer takes it. One that has been so for long is nobody's."""
    fresh, old = tmp_path / f".{'a' * 32}", tmp_path / f".{'b' * 32}"
    for path in (fresh, old):
        path.mkdir()
        (path / "lock").touch()
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    Backlog(tmp_path, ["one"], Nobody()).look()
    assert (fresh / "lock").exists()
    assert not old.exists()
