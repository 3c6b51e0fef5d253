"""Promises 5 and 10: one row per record, whatever happens to the database in the middle of traffic."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from asgi_audit import AuditTrail, Delivery
from asgi_audit.record import Kind
from tests.postgres import Postgres
from tests.proxy import COPY_DONE, proxied

PATIENCE = 60.0
PERSISTENT = Delivery(linger=0.001, batch_size=20, deadline=5.0, retry_first=0.01, retry_most=0.1)


def rows(url: str) -> list[tuple[int, str]]:
    """Sequence number and action of every row, in their order."""

    async def fetch() -> list[tuple[int, str]]:
        connection = await asyncpg.connect(url)
        try:
            found = await connection.fetch("SELECT seq, action FROM audit_records ORDER BY seq")
        finally:
            await connection.close()
        return [(row["seq"], row["action"]) for row in found]

    return asyncio.run(fetch())


@contextmanager
def traffic(trail: AuditTrail, threads: int = 3) -> Iterator[list[str]]:
    """Threads that record events as long as the block runs, and at least fifty each; the ids of the events."""
    over = threading.Event()
    ids: list[str] = []

    def work() -> None:
        count = 0
        while count < 50 or not over.is_set():
            ids.append(trail.event("traffic"))
            count += 1
            over.wait(0.001)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield ids
    finally:
        over.set()
        for worker in workers:
            worker.join()


def assert_one_row_per_record(trail: AuditTrail, ids: list[str], found: list[tuple[int, str]]) -> None:
    """Every sequence number once, every event a row, and the counts say the same."""
    stats = trail.stats()
    assert [seq for seq, _ in found] == list(range(stats.accepted))
    assert [action for _, action in found].count("traffic") == len(ids)
    assert (stats.sinks[0].delivered, stats.sinks[0].pending, stats.sinks[0].lost) == (stats.accepted, 0, 0)


def test_a_server_that_crashes_twice_in_the_middle_of_traffic(postgres: Postgres, postgres_url: str) -> None:
    """Killed as by a power cut and started again: what was recorded meanwhile waits, and nothing comes twice."""
    trail = AuditTrail(postgres_url, delivery=PERSISTENT)
    with traffic(trail) as ids:
        trail.flush(PATIENCE)
        for _ in range(2):
            postgres.stop("immediate")
            trail.event("traffic")
            ids.append("while it was down")
            postgres.start()
            trail.event("traffic")
            ids.append("when it was up")
    trail.close(PATIENCE)
    assert trail.stats().sinks[0].failed_attempts >= 1
    assert_one_row_per_record(trail, ids, rows(postgres_url))


def test_the_reply_to_a_commit_is_lost(postgres_url: str) -> None:
    """The server has stored the batch, and nobody heard: it is sent again, and each record stays one row."""
    with proxied(postgres_url) as (proxy, url):
        trail = AuditTrail(url, delivery=PERSISTENT)
        trail.event("traffic")
        trail.flush(PATIENCE)
        ids = ["the first"]
        for _ in range(3):
            proxy.lose_reply(COPY_DONE)
            with traffic(trail) as more:
                assert proxy.lost.wait(PATIENCE)
            ids += more
            trail.flush(PATIENCE)
        trail.close(PATIENCE)
    assert trail.stats().sinks[0].failed_attempts >= 3
    assert_one_row_per_record(trail, ids, rows(postgres_url))


def test_a_network_that_stalls_is_given_up_at_the_deadline(postgres_url: str) -> None:
    """A server that neither answers nor hangs up: the attempt is cancelled, visible, and made again."""
    with proxied(postgres_url) as (proxy, url):
        trail = AuditTrail(url, delivery=Delivery(linger=0.001, deadline=0.3, retry_first=0.01, retry_most=0.1))
        trail.event("traffic")
        trail.flush(PATIENCE)
        proxy.stall()
        ids = ["the first", trail.event("traffic")]
        assert proxy.stalled.wait(PATIENCE)
        while not trail.stats().sinks[0].failed_attempts:
            threading.Event().wait(0.01)
        assert "no answer within 0.3 s" in str(trail.health().problems)
        proxy.flow()
        trail.close(PATIENCE)
    assert_one_row_per_record(trail, ids, rows(postgres_url))


def test_an_sqlite_file_that_somebody_else_has_locked(tmp_path: Path) -> None:
    """As by a backup or a person at a prompt: what is recorded meanwhile waits for the lock to go."""
    path = tmp_path / "audit.db"
    trail = AuditTrail(f"sqlite:///{path}", delivery=PERSISTENT)
    trail.event("traffic")
    trail.flush(PATIENCE)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ids = ["the first", trail.event("traffic")]
    with traffic(trail) as more:
        assert trail.stats().sinks[0].pending > 0
    other.execute("ROLLBACK")
    trail.close(PATIENCE)
    found = other.execute("SELECT seq, action FROM audit_records ORDER BY seq").fetchall()
    other.close()
    assert_one_row_per_record(trail, ids + more, found)
    assert not [action for _, action in found if action == f"trail.{Kind.LOSS}"]
