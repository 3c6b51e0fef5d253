"""What the client has done and seen: the outside truth that the trail is held against."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.crash.endpoints import Endpoint


class Answer(NamedTuple):
    """A response that came to its end."""

    status: int
    body: str


class History:
    """Every request that was issued, and every response that was complete, by the request's marker."""

    def __init__(self) -> None:
        self.issued: dict[str, Endpoint] = {}
        self.answered: dict[str, Answer] = {}

    def unanswered(self) -> Iterable[str]:
        """The markers of requests that were issued, and whose response never came to its end."""
        return self.issued.keys() - self.answered.keys()


def handlers_run(file: Path) -> Counter[str]:
    """How often a handler has run for each marker, from the file that the handlers write."""
    return Counter(file.read_text(encoding="ascii").split())
