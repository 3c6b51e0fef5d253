"""Records by the thousand, as a shop makes them: twenty a second, up to now."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from asgi_audit.ids import IdSource
from asgi_audit.record import VERSION, Actor, Kind, Outcome, Record, Request, Response, Source, Target
from asgi_audit.store import first_id

SPACING: Final = 50_000  # microseconds between two records
_ACTORS: Final = 1_000
_ORDERS: Final = 10_000
_ACTIONS: Final = tuple(f"{method} /{what}/{{id}}" for method in ("POST", "PUT", "DELETE", "PATCH") for what in "abcde")


class Stock:
    """A writer's records, one after the other; `count` of them, if there are no more."""

    def __init__(self, count: int) -> None:
        self._writer = os.urandom(16).hex()
        self._salts = IdSource().new_salts
        self.began = time.time_ns() // 1000 - count * SPACING  #: microseconds since the epoch: when the first was made
        self._seq = 0

    def take(self, count: int) -> list[Record]:
        """The next ones."""
        first, self._seq = self._seq, self._seq + count
        return [self._record(seq) for seq in range(first, first + count)]

    def batches(self, count: int, size: int) -> Iterator[list[Record]]:
        """So many records, in batches."""
        for at in range(0, count, size):
            yield self.take(min(size, count - at))

    def _record(self, seq: int) -> Record:
        microseconds = self.began + seq * SPACING
        order = str(seq * 7919 % _ORDERS)
        return Record(
            v=VERSION,
            id=first_id(microseconds),
            kind=Kind.HTTP,
            time=datetime.fromtimestamp(microseconds / 1e6, UTC),
            action=_ACTIONS[seq * 31 % len(_ACTIONS)],
            writer=self._writer,
            seq=seq,
            duration_us=1200,
            outcome=Outcome.SUCCESS,
            actor=Actor(str(seq * 104_729 % _ACTORS), type="user", name="Ada", source="scope"),
            targets=[Target(order, type="order")],
            source=Source(ip="192.0.2.7", ip_source="peer", port=50123, user_agent="Mozilla/5.0 (X11; Linux x86_64)"),
            request=Request(
                path=f"/orders/{order}", method="POST", route="/orders/{id}", params={"id": order}, host="shop.example"
            ),
            response=Response(status=201, size=17),
            salts=self._salts(),
        )
