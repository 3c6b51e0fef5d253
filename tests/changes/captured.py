"""What a block of code puts on record."""

from collections.abc import Iterator
from contextlib import contextmanager

from asgi_audit import Change
from asgi_audit.context import current
from asgi_audit.draft import Draft
from tests.notebook import Notebook


class Captured:
    """The record of a request, as far as it is about changes."""

    def __init__(self) -> None:
        self.notebook = Notebook()
        self.draft = Draft(self.notebook, {"type": "http"})

    @property
    def changes(self) -> list[Change]:
        """What has been handed over so far."""
        return [] if self.draft.notes is None else list(self.draft.notes.changes)

    @property
    def failures(self) -> list[str]:
        """What has failed in it."""
        return self.notebook.notes


@contextmanager
def request() -> Iterator[Captured]:
    """A request, for which the block works."""
    captured = Captured()
    token = current.set(captured.draft)
    try:
        yield captured
    finally:
        current.reset(token)
