"""What every anchor does with the checkpoints that it is given."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from asgi_audit.anchors import Anchor

#: Reads back everything that stands at the anchor's place, in the order in which it came.
Reader: TypeAlias = Callable[[], Sequence[str]]
Maker: TypeAlias = Callable[[], Anchor]

LOG = "example.org/audit"

_HOSTILE = ("\r\n", "\u2028", "\0", '"}', '{"checkpoint":"x"}', "\\n", "\U0001f600", "ｅ́", "%s", "{}", "<b>", "\x85")


def checkpoint(size: int, origin: str = LOG) -> str:
    """A signed note in form; the signature is none."""
    root = base64.b64encode(hashlib.sha256(str(size).encode()).digest()).decode()
    signature = base64.b64encode(b"\1" * 68).decode()
    return f"{origin}\n{size}\n{root}\n\n\u2014 {origin} {signature}\n"


@pytest.mark.asyncio
class AnchorContract:
    """Subclass it with the fixtures `make` (a new anchor onto the same place at each call) and `read`."""

    @pytest.fixture
    def make(self) -> Maker:
        raise NotImplementedError

    @pytest.fixture
    def read(self) -> Reader:
        raise NotImplementedError

    async def test_keeps_what_it_is_given(self, make: Maker, read: Reader) -> None:
        """Exactly, in order, a second time where it was given twice, and whatever was there before."""
        given = [checkpoint(size) for size in (0, 7, 7, 300)]
        anchor = make()
        assert isinstance(anchor, Anchor)
        for number, each in enumerate(given, 1):
            await anchor.publish(each)
            assert read() == given[:number]
        await make().publish(checkpoint(301))
        assert read() == [*given, checkpoint(301)]

    async def test_any_text_stays_as_it_is(self, make: Maker, read: Reader) -> None:
        """Line ends of other kinds, quotes and braces tear no line."""
        given = [checkpoint(1) + text for text in _HOSTILE]
        anchor = make()
        for each in given:
            await anchor.publish(each)
        assert read() == given
        assert await anchor.newest(LOG) == given[-1]

    async def test_the_newest_is_the_last_that_came(self, make: Maker) -> None:
        """Not the largest: whether a log has shrunk is for its reader to say."""
        anchor = make()
        for size in (3, 9, 5):
            await anchor.publish(checkpoint(size))
            assert await anchor.newest(LOG) == checkpoint(size)

    async def test_there_may_be_none(self, make: Maker) -> None:
        """Before the first was published there is no newest one, and it is no error."""
        assert await make().newest(LOG) is None

    async def test_keeps_several_logs(self, make: Maker, read: Reader) -> None:
        """A log is every origin under its name; another name that begins alike is another log."""
        given = [
            checkpoint(1, LOG),
            checkpoint(2, f"{LOG}/2026"),
            checkpoint(3, f"{LOG}or"),
            checkpoint(4, "example.org"),
            checkpoint(5, f"other/{LOG}"),
        ]
        anchor = make()
        for each in given:
            await anchor.publish(each)
        assert read() == given
        assert await anchor.newest(LOG) == given[1]
        assert await anchor.newest(f"{LOG}/2026") == given[1]
        assert await anchor.newest(f"{LOG}or") == given[2]
        assert await anchor.newest("example.org") == given[3]
        assert await anchor.newest("example.com") is None
        await anchor.publish(given[0])
        assert await anchor.newest(LOG) == given[0]

    async def test_many_may_publish_at_once(self, make: Maker, read: Reader) -> None:
        """What several anchors write into one place is all there and whole, each one's own in order."""

        async def work(number: int) -> None:
            anchor = make()
            for size in range(25):
                await anchor.publish(checkpoint(size, f"log/{number}"))

        await asyncio.gather(*map(work, range(4)))
        found = read()
        assert len(found) == 100
        for number in range(4):
            mine = [each for each in found if each.startswith(f"log/{number}\n")]
            assert mine == [checkpoint(size, f"log/{number}") for size in range(25)]


@pytest.mark.asyncio
class ReadableAnchorContract(AnchorContract):
    """What an anchor does that can be read back by another process."""

    @pytest.fixture
    def read(self, make: Maker) -> Reader:
        return lambda: list(make().read())

    async def test_another_one_finds_the_newest(self, make: Maker) -> None:
        """A sealer that starts anew asks where it stood."""
        await make().publish(checkpoint(1))
        await make().publish(checkpoint(2))
        await make().publish(checkpoint(1, "other"))
        assert await make().newest(LOG) == checkpoint(2)

    async def test_a_reader_may_stop(self, make: Maker) -> None:
        """It leaves nothing open behind."""
        for size in range(3):
            await make().publish(checkpoint(size))
        reading = iter(make().read())
        assert next(reading) == checkpoint(0)
        del reading
