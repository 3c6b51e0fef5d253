"""A draft's other side, for tests of drafts: a recorder that only remembers."""

from collections.abc import Iterator
from typing import Any

import pytest

from asgi_audit import Actor, Outcome
from asgi_audit.context import current
from asgi_audit.draft import Draft
from asgi_audit.notes import Notes


class Notebook:
    """A recorder that only remembers."""

    def __init__(self) -> None:
        self.ids = 0
        self.lates: list[Notes] = []
        self.failures: list[tuple[BaseException, Outcome]] = []
        self.notes: list[str] = []

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def late(self, draft: Draft, notes: Notes) -> None:
        self.lates.append(notes)

    def failed_late(self, draft: Draft, error: BaseException, outcome: Outcome) -> None:
        self.failures.append((error, outcome))

    def note(self, kind: str, error: BaseException | None = None) -> None:
        self.notes.append(kind)

    def actor_of(self, draft: Draft) -> Actor | None:
        return draft.actor


def said(notes: Notes | None) -> dict[str, Any]:
    """All that notes say."""
    assert notes is not None
    return {name: getattr(notes, name) for name in Notes.__slots__}


@pytest.fixture
def notebook() -> Notebook:
    """Where the draft's requests to its trail end up."""
    return Notebook()


@pytest.fixture
def draft(notebook: Notebook) -> Iterator[Draft]:
    """A draft whose request runs here."""
    draft = Draft(notebook, {"type": "http"})
    token = current.set(draft)
    yield draft
    current.reset(token)
