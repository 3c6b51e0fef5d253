"""Many records are sealed and verified in little memory. How fast is printed, and nowhere asked."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest

from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import SQLAlchemySink
from tests.sealed.apart import MOST_MEBIBYTES
from tests.sealed.log import BEGINNING, Writer
from tests.sealed.scale import work

BATCH = 1000


@pytest.mark.timeout(7200)
def test_many_records_in_a_file(sqlite_url: str, tmp_path: Path, full: bool) -> None:
    """SQLite, and the bundle that the log is exported to."""
    grow(sqlite_url, tmp_path, 1_000_000 if full else 60_000, "seal", "verify", "export", "import")


@pytest.mark.timeout(7200)
def test_many_records_in_postgresql(postgres_url: str, tmp_path: Path, full: bool) -> None:
    """PostgreSQL; its server's memory is its own affair."""
    grow(postgres_url, tmp_path, 1_000_000 if full else 6000, "seal", "verify")


def grow(url: str, home: Path, count: int, *verbs: str) -> None:
    """Write so many records, and have the work done on them."""
    SigningKey.generate("audit.example/scale").save(home / "key")
    asyncio.run(write(url, count))
    for verb in verbs:
        cost = work(verb, url, home)
        print(f"{verb}: {cost}")
        assert cost.records == count
        assert cost.mebibytes < MOST_MEBIBYTES


async def write(url: str, count: int) -> None:
    """By ten writers in turns, ten records a second."""
    chance = random.Random(1)
    writers = [Writer(chance) for _ in range(10)]
    sink = SQLAlchemySink(url)
    await sink.open()
    for first in range(0, count, BATCH):
        times = (BEGINNING + timedelta(milliseconds=100 * number) for number in range(first, first + BATCH))
        await sink.write([writers[number % 10].record(time) for number, time in enumerate(times)])
    await sink.close()
