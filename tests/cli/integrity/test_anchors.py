from pathlib import Path
from typing import NoReturn

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.cli.exits import CommandFailed
from asgi_audit.cli.integrity.anchors import NamedAnchor, anchors_to_read

pytestmark = pytest.mark.asyncio

CHECKPOINT = "audit.example\n1\nAAAA\n\n"


async def test_it_is_the_anchor_that_it_was_made_of(tmp_path: Path) -> None:
    """Under its name."""
    (anchor,) = anchors_to_read([str(tmp_path / "a")])
    assert anchor.name == FileAnchor(tmp_path / "a").name
    assert await anchor.newest("audit.example") is None
    await anchor.publish(CHECKPOINT)
    assert await anchor.newest("audit.example") == CHECKPOINT
    assert list(anchor.read()) == [CHECKPOINT]


class Failing:
    """An anchor that can't be read, and says so in its own words."""

    name = "tape:3"

    def __init__(self, words: str) -> None:
        self._words = words

    async def publish(self, checkpoint: str) -> None: ...

    async def newest(self, log: str) -> NoReturn:
        raise OSError(self._words)

    def read(self) -> NoReturn:
        raise OSError(self._words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("jammed", "the anchor tape:3 can't be read: jammed"),
        ("tape:3: jammed", "the anchor can't be read: tape:3: jammed"),
    ],
)
async def test_one_that_cannot_be_read_is_named(words: str, said: str) -> None:
    """Once, whatever its own words are."""
    anchor = NamedAnchor(Failing(words))
    with pytest.raises(CommandFailed) as raised:
        await anchor.newest("audit.example")
    assert str(raised.value) == said
    with pytest.raises(CommandFailed) as raised:
        list(anchor.read())
    assert str(raised.value) == said
