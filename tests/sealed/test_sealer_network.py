"""What happens between the sealer and a PostgreSQL server: stalls, and replies that are lost."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import Sealer
from tests.proxy import proxied
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change, sound

pytestmark = pytest.mark.asyncio

COMMIT = b"COMMIT;"

#: What the sealer sends, from its first look at the tables to its last word.
SENT = [
    b"FROM audit_schema",
    b"FROM audit_checkpoints",
    b"FROM audit_leaves",
    b"FROM audit_records",
    b"INSERT INTO audit_leaves",
    COMMIT,
    b"INSERT INTO audit_checkpoints",
]


@pytest.fixture
def log(postgres_url: str, tmp_path: Path) -> Log:
    """A log on a server."""
    return Log(postgres_url, tmp_path)


@pytest.mark.parametrize("marker", SENT, ids=lambda marker: marker.decode())
async def test_a_pass_that_hangs_can_be_given_up(log: Log, writer: Writer, marker: bytes) -> None:
    """Whatever it waits for: who cancels it need not wait for the server. Another pass does it all."""
    await log.write([writer.record(BEGINNING + timedelta(seconds=second)) for second in range(5)])
    with proxied(log.url) as (proxy, url):
        sealer = Sealer(url, keys=log.keys, anchors=[log.anchor])
        proxy.stall_at(marker)
        sealing = asyncio.create_task(sealer.seal())
        await asyncio.to_thread(proxy.stalled.wait)
        sealing.cancel()
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await sealing
        proxy.flow()
        for _ in range(2):
            await sealer.seal()
    assert len((await sound(log.url)).leaves) == 5
    assert (await log.verify()).verdict is Verdict.PASS


@pytest.mark.parametrize("of", ["leaves", "a checkpoint"])
async def test_a_lost_reply_to_the_commit_gives_no_index_twice(log: Log, writer: Writer, of: str) -> None:
    """What the server has committed without our knowing is found by the next pass, and gone on from."""
    await log.write([writer.record(BEGINNING + timedelta(seconds=second)) for second in range(5)])
    if of == "a checkpoint":
        await Sealer(log.url, keys=log.keys).seal()
        await change(log.url, "DELETE FROM audit_checkpoints")
    with proxied(log.url) as (proxy, url):
        sealer = Sealer(url, keys=log.keys, anchors=[log.anchor])
        proxy.lose_reply(COMMIT)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError)):
            await sealer.seal()
        assert proxy.lost.is_set()
        async with asyncio.timeout(60):
            while not (await sealer.seal()).size:
                await asyncio.sleep(0.02)  # nobody else can tell when the server has committed
    assert len((await sound(log.url)).leaves) == 5
    assert (await log.verify()).verdict is Verdict.PASS


async def test_a_connection_that_is_cut_is_made_anew(log: Log, writer: Writer) -> None:
    """The pass fails with what the driver says, and leaves nothing behind."""
    await log.write([writer.record(BEGINNING)])
    with proxied(log.url) as (proxy, url):
        sealer = Sealer(url, keys=log.keys, anchors=[log.anchor])
        proxy.stall_at(b"INSERT INTO audit_leaves")
        sealing = asyncio.create_task(sealer.seal())
        await asyncio.to_thread(proxy.stalled.wait)
        proxy.cut()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError)):
            await sealing
        proxy.flow()
        assert (await sealer.seal()).records == 1
    assert (await log.verify()).verdict is Verdict.PASS
