"""Trails to read."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from asgi_audit.record import Actor, Kind, Outcome, Record, Request, Response, Target
from asgi_audit.sqlalchemy import SQLAlchemySink
from tests.cli.sample import a_record

Store: TypeAlias = Callable[[str, Sequence[Record]], None]


async def _write(url: str, records: Sequence[Record]) -> None:
    sink = SQLAlchemySink(url)
    await sink.open()
    if records:
        await sink.write(records)
    await sink.close()


@pytest.fixture
def store() -> Store:
    """A function that stores records as a trail would: each of its calls is a writer of its own."""
    writers = iter(range(1, 100))

    def store(url: str, records: Sequence[Record]) -> None:
        writer = f"{next(writers):032x}"
        numbered = [msgspec.structs.replace(r, writer=writer, seq=seq) for seq, r in enumerate(records)]
        asyncio.run(_write(url, numbered))

    return store


@pytest.fixture
def story() -> list[Record]:
    """A trail's life of a minute: opened, an invoice made, a denied attempt at another, a job, a loss."""
    began = datetime.now(UTC) - timedelta(minutes=1)
    return [
        _own(Kind.OPEN, began),
        a_record(
            time=began + timedelta(seconds=1),
            action="POST /invoices",
            outcome=Outcome.SUCCESS,
            actor=Actor("ada"),
            request=Request(path="/invoices", method="POST", route="/invoices", id="r-1"),
            response=Response(status=201),
        ),
        a_record(time=began + timedelta(seconds=2)),
        a_record(
            kind=Kind.EVENT,
            time=began + timedelta(seconds=3),
            action="invoice.remind",
            outcome=Outcome.SUCCESS,
            actor=Actor("nightly", type="job"),
            targets=[Target("2026-001", type="invoice"), Target("2026-002", type="invoice")],
            **dict.fromkeys(["source", "request", "response", "duration_us"]),
        ),
        _own(Kind.LOSS, began + timedelta(seconds=4)),
    ]


def _own(kind: Kind, time: datetime) -> Record:
    nobody = dict.fromkeys(["outcome", "actor", "targets", "source", "request", "response", "duration_us"])
    return a_record(kind=kind, action=f"trail.{kind}", time=time, data={"records": 3}, **nobody)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each first-class kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audit.db'}"
    postgres: str = request.getfixturevalue("postgres_url")
    return postgres


@pytest.fixture
def trail(tmp_path: Path, store: Store, story: Sequence[Record]) -> str:
    """The path of a SQLite file with the story in it."""
    path = tmp_path / "audit.db"
    store(f"sqlite:///{path}", story)
    return str(path)
