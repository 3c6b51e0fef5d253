"""The judge of the kill loop objects to everything that can be wrong, and to nothing else."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.database import Row
from tests.crash.endpoints import ENDPOINTS
from tests.crash.history import Answer, History
from tests.crash.oracle import Verdict, judge


class Scene:
    """A history with one request of each fate, and the trail that it should leave."""

    def __init__(self) -> None:
        self.history = History()
        self.ran: Counter[str] = Counter()
        self.rows: list[Row] = []
        self.add(kind="open")
        self.asked("created", "m1", answer="m1", status=201, outcome="success")
        self.asked("approved", "m2", answer="event", status=200, outcome="success")
        self.add(id="event", kind="event", parent="record of m2", target_id="m2", outcome="success")
        self.asked("broken", "m3", answer="m3", status=500, outcome="error")
        # Killed on the way: after its record, after its intent, before the application had heard of it.
        self.asked("slow", "m4", answer=None, status=200, outcome="success")
        self.asked("slow", "m5", answer=None, status=None, outcome="interrupted")
        self.history.issued["m6"] = ENDPOINTS["created"]
        self.history.issued["m7"] = ENDPOINTS["read"]
        self.history.answered["m7"] = Answer(200, "m7")
        self.ran["m7"] += 1
        # The writer was killed; its successor has recovered the intent of m5 under a name of its own, and says so.
        self.change("record of m5", writer="recovery", seq=0)
        self.add(writer="recovery", seq=1, kind="close", data={"writer": "writer", "records": 6, "torn": 17})

    def asked(self, name: str, marker: str, *, answer: str | None, status: int | None, outcome: str) -> None:
        """A request whose handler ran."""
        endpoint = self.history.issued[marker] = ENDPOINTS[name]
        self.ran[marker] += 1
        if answer is not None:
            self.history.answered[marker] = Answer(endpoint.status, answer)
        self.add(
            id=f"record of {marker}",
            method=endpoint.method,
            path=endpoint.path(marker),
            status=status,
            outcome=outcome,
            request_id=marker,
        )

    def add(self, *, writer: str = "writer", kind: str = "http", **values: Any) -> None:
        """A record, the next of its writer."""
        seq = sum(row.writer == writer for row in self.rows)
        self.rows.append(Row(**{"id": f"{writer} {seq}", "writer": writer, "seq": seq, "kind": kind, **values}))

    def find(self, id: str) -> Row:
        """The record with this id."""
        return next(row for row in self.rows if row.id == id)

    def change(self, id: str, /, **values: Any) -> None:
        """Tell the record with this id otherwise."""
        row = self.find(id)
        self.rows[self.rows.index(row)] = dataclasses.replace(row, **values)

    def forget(self, id: str) -> None:
        """Leave the record out, and close the gap."""
        gone = self.find(id)
        self.rows.remove(gone)
        for row in list(self.rows):
            if row.writer == gone.writer and row.seq > gone.seq:
                self.change(row.id, seq=row.seq - 1)
        self.change(
            "recovery 1", data={"writer": "writer", "records": sum(row.writer == "writer" for row in self.rows)}
        )

    def repeat(self, id: str, /, **values: Any) -> None:
        """Have it once more, behind the others."""
        row = self.find(id)
        self.rows.append(dataclasses.replace(row, **{"writer": "other", "seq": 0, "id": "again", **values}))

    def judge(self) -> Verdict:
        """What the oracle says."""
        return judge(self.history, self.ran, self.rows)


def test_an_honest_trail_passes() -> None:
    """Recorded, interrupted, never arrived: each is a right way for a request to end."""
    verdict = Scene().judge()
    assert verdict.faults == []
    assert (verdict.interrupted, verdict.torn) == (1, 1)


FAULTS: dict[str, tuple[str, Callable[[Scene], object]]] = {
    "an answered request has no record": ("missing", lambda scene: scene.forget("record of m1")),
    "a handler ran, and there is no record": ("missing", lambda scene: scene.forget("record of m4")),
    "an acknowledged event has no record": ("missing", lambda scene: scene.forget("event")),
    "another status": ("wrong", lambda scene: scene.change("record of m1", status=200)),
    "another method": ("wrong", lambda scene: scene.change("record of m1", method="PUT")),
    "another path": ("wrong", lambda scene: scene.change("record of m1", path="/created/m9")),
    "another outcome": ("wrong", lambda scene: scene.change("record of m3", outcome="success")),
    "an answered request counts as interrupted": (
        "wrong",
        lambda scene: scene.change("record of m1", outcome="interrupted", status=None),
    ),
    "an interrupted one with a status": ("wrong", lambda scene: scene.change("record of m5", status=200)),
    "an event under another id": ("wrong", lambda scene: scene.change("event", id="another")),
    "an event of another request": ("wrong", lambda scene: scene.change("event", parent="record of m1")),
    "two records of a request": ("duplicates", lambda scene: scene.repeat("record of m1")),
    "two records of an event": ("duplicates", lambda scene: scene.repeat("event")),
    "one id twice": ("duplicates", lambda scene: scene.add(writer="other", id="writer 0", kind="open", seq=0)),
    "one place twice": ("duplicates", lambda scene: scene.add(id="again", kind="open", seq=0)),
    "a handler ran twice": ("duplicates", lambda scene: scene.ran.update(["m1"])),
    "a record that nobody asked for": (
        "spurious",
        lambda scene: scene.add(writer="other", request_id="m9", method="POST", path="/created/m9", outcome="failed"),
    ),
    "a record of a GET": ("spurious", lambda scene: scene.add(writer="other", request_id="m7", outcome="interrupted")),
    "a record without a request": ("spurious", lambda scene: scene.add(writer="other", outcome="interrupted")),
    "a success whose handler did not run": ("spurious", lambda scene: scene.ran.pop("m4")),
    "an event whose handler did not run": (
        "spurious",
        lambda scene: scene.add(writer="other", kind="event", target_id="m6"),
    ),
    "a number is left out": ("gaps", lambda scene: scene.rows.remove(scene.find("writer 0"))),
    "a writer ends too early": (
        "gaps",
        lambda scene: scene.change("recovery 1", data={"writer": "writer", "records": 7}),
    ),
    "a writer goes on after its end": (
        "gaps",
        lambda scene: scene.change("recovery 1", data={"writer": "writer", "records": 5}),
    ),
    "a writer that closes itself ends too early": (
        "gaps",
        lambda scene: scene.add(writer="other", kind="close", data={"records": 3}),
    ),
    "nobody has said where a writer ends": ("gaps", lambda scene: scene.rows.remove(scene.find("recovery 1"))),
    "a loss is declared, where nothing may be lost": (
        "gaps",
        lambda scene: scene.add(writer="other", kind="loss", data={"records": 1}),
    ),
}


@pytest.mark.parametrize(("fault", "commit"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_found(fault: str, commit: Callable[[Scene], object]) -> None:
    """One fault in an honest trail, and the oracle names it for what it is."""
    scene = Scene()
    commit(scene)
    assert len(getattr(scene.judge(), fault)) == 1
