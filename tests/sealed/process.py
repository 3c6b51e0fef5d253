"""A process of an honest application: what its journal takes, what its lane stores, and who speaks for the dead."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from asgi_audit.delivery.rejects import stub
from asgi_audit.record import Kind, Outcome, Record, Request
from tests.sealed.log import Writer

_BEHIND = "the sink was too far behind"
_TEXTS = ["/", "/users/1", "/ä/𝒳%20'; --", "/\u2028\x7f\\", "/" + "long" * 1000]


class Process:
    """Its records go to the sink in their order, at least once each, unless a loss record says otherwise.

    `queue` is what the journal holds for the sink; when the process is dead, somebody else's lane goes on with it.
    """

    def __init__(self, chance: random.Random, sink: str, tick: Callable[[], datetime]) -> None:
        self.queue: list[Record] = []
        self.alive = True
        self.recovered = False  # by whoever has found its journal
        self.clock = timedelta()  # by how much it is ahead
        self._chance = chance
        self._sink = sink
        self._tick = tick
        self._writer = Writer(chance)
        self._offered: set[str] = set()
        self._rejected: set[str] = set()
        self._ended = False  # in good order
        self._undeclared = 0
        self._given_up = 0  # since the lane has stored something, as far as its cursor knows
        self._say(Kind.OPEN, {"pid": 1, "host": "test", "sinks": [sink]})

    def work(self, count: int) -> None:
        """Requests end."""
        for _ in range(count):
            text = self._chance.choice(_TEXTS)
            request = Request(path=text, method="POST", route="/{path}")
            self.queue.append(self._writer.record(self._time(), action=f"POST {text}", request=request, tenant=text))

    def batch(self, limit: int) -> list[Record]:
        """What the sink is given next; a stub stands for what it has rejected."""
        batch = self.queue[:limit]
        self._offered.update(each.id for each in batch)
        return [stub(each, "too long") if each.id in self._rejected else each for each in batch]

    def acknowledge(self, count: int) -> None:
        """The sink has said that so many are stored."""
        del self.queue[:count]
        self._given_up = 0

    def reject(self, at: int) -> None:
        """The sink will not take this one, nor has it ever."""
        mine = [each.id for each in self.queue if each.kind is Kind.HTTP and each.id not in self._offered]
        self._rejected.update(mine[at : at + 1])

    def accepted(self, limit: int) -> list[Record]:
        """What is stored of a batch while what was rejected is still searched for.

        It ends before any word of an end: behind that, a verifier takes for lost what has only not come yet.
        """
        batch = self.queue[:limit]
        end = next((at for at, each in enumerate(batch) if each.kind is Kind.CLOSE), limit)
        taken = [each for each in batch[:end] if each.id not in self._rejected]
        self._offered.update(each.id for each in taken)
        return taken

    def fall_behind(self, count: int) -> None:
        """The journal needs room: the sink will never get its oldest records, which is declared later.

        Not so far that the journal would drop what has been declared, or the word of an end.
        """
        kinds = [each.kind for each in self.queue]
        if self.alive and Kind.CLOSE not in kinds:
            count = min(count, kinds.index(Kind.LOSS) if Kind.LOSS in kinds else len(kinds))
            del self.queue[:count]
            self._undeclared += count
            self._given_up += count

    def refuse(self, count: int) -> None:
        """The journal is full: what it does not take never had a number."""
        self._say(Kind.LOSS, {"records": count, "reason": "the journal was full"})

    def lose_elsewhere(self, count: int) -> None:
        """Another sink has been too far behind, and this one has not."""
        self._say(Kind.LOSS, {"records": count, "reason": _BEHIND, "sink": "jsonl:///var/log/audit.jsonl"})

    def declare(self) -> None:
        """Say what was given up."""
        if self.alive and self._undeclared:
            self._say(Kind.LOSS, {"records": self._undeclared, "reason": _BEHIND, "sink": self._sink})
            self._undeclared = 0

    def close(self, *, goes_on: bool) -> None:
        """End in good order; another request may open it again."""
        self.declare()
        self._say(Kind.CLOSE, {"records": self._writer.seq})
        if goes_on:
            self._say(Kind.OPEN, {"pid": 1, "host": "test", "sinks": [self._sink]})
        else:
            self.alive, self._ended = False, True

    def die(self, *, interrupted: int, damaged: int, entries: int) -> None:
        """Whoever finds the journal of the dead adds what is to be said of it, as a writer of its own."""
        self.alive, self.recovered = False, True
        dead, self._writer = self._writer, Writer(self._chance)
        about = {"writer": dead.id}
        # Damaged is only what stands behind any word of an end, as in `accepted`.
        closes = [at for at, each in enumerate(self.queue) if each.kind is Kind.CLOSE]
        gone = [each for each in self.queue[max(closes, default=-1) + 1 :] if each.kind is Kind.HTTP][:damaged]
        first = self.queue[0].seq if self.queue else dead.seq
        self.queue = [each for each in self.queue if each not in gone]
        self.queue += [self._writer.record(self._time(), outcome=Outcome.INTERRUPTED) for _ in range(interrupted)]
        if self._given_up:  # it may have said so itself, but nobody knows
            said = {"records": self._given_up, "sink": self._sink, "reason": _BEHIND, "until": first}
            self._say(Kind.LOSS, {**said, **about})
        if gone or entries:
            said = {"records": len(gone), "entries": len(gone) + entries, "reason": "damaged in the journal"}
            self._say(Kind.LOSS, {**said, **about})
        if not self._ended:
            said = {"records": dead.seq, "interrupted": interrupted, "torn": 0, "found": "recovery"}
            self._say(Kind.CLOSE, {**said, **about})

    def _say(self, kind: Kind, data: dict[str, Any]) -> None:
        self.queue.append(self._writer.own(kind, self._time(), data))

    def _time(self) -> datetime:
        return self._tick() + self.clock
