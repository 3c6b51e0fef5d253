"""Several sealers at once: one wins, the others give way and say so, and every record is sealed once."""

import asyncio
import json
import random
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

from asgi_audit.anchors import FileAnchor
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.integrity.report import Verdict
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import Sealer, SQLAlchemySink, upgrade_database
from tests.lives.processes import ENVIRONMENT
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change, sound

pytestmark = pytest.mark.asyncio


@contextmanager
def meeting_at(statement: str) -> Iterator[None]:
    """Let two sealers, who have seen the same tree, begin this statement at the same time; once."""
    barrier = asyncio.Barrier(2)
    met = 0

    def execute(*arguments: Any) -> None:
        nonlocal met
        if arguments[2].startswith(statement) and met < 2:
            met += 1
            await_only(barrier.wait())

    event.listen(Engine, "before_cursor_execute", execute)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
    assert met == 2


async def both(log: Log, statement: str) -> tuple[Sealed, Sealed]:
    """What two say who meet: the one that has won first."""
    sealers = [log.sealer() for _ in range(2)]
    with meeting_at(statement):
        async with asyncio.timeout(60):
            done = await asyncio.gather(*(sealer.seal() for sealer in sealers))
    winner, loser = sorted(done, key=lambda sealed: sealed.gave_way)
    assert (winner.gave_way, loser.gave_way) == (False, True)
    for sealer in sealers:  # both go on from there
        assert await sealer.seal() == winner._replace(records=0)
    return winner, loser


async def test_of_two_who_give_the_same_index_one_gives_way(log: Log, writer: Writer) -> None:
    """At the key of the table; what it has wanted to seal is sealed, but not by it, and it tells no anchor."""
    await log.write([writer.record(BEGINNING) for _ in range(10)])
    winner, loser = await both(log, "INSERT INTO audit_leaves")
    assert (winner.records, winner.size) == (10, 10)
    assert loser == (0, 0, None, True, [])
    assert [winner.note] == (await sound(log.url)).notes == list(FileAnchor(log.anchor).read())
    assert (await log.verify()).verdict is Verdict.PASS


async def test_of_two_who_sign_the_same_tree_one_gives_way(log: Log, writer: Writer) -> None:
    """Somebody was killed before signing; both have found what he left."""
    await log.write([writer.record(BEGINNING) for _ in range(10)])
    await Sealer(log.url, keys=log.keys).seal()
    await change(log.url, "DELETE FROM audit_checkpoints")
    winner, loser = await both(log, "INSERT INTO audit_checkpoints")
    assert (winner.records, winner.size) == (0, 10)
    assert loser == (0, 0, None, True, [])
    assert [winner.note] == (await sound(log.url)).notes == list(FileAnchor(log.anchor).read())
    assert (await log.verify()).verdict is Verdict.PASS


async def test_who_gives_way_in_a_backlog_says_what_it_had_sealed_by_then(log: Log, writer: Writer) -> None:
    """The first thousand are its own, and its checkpoint of them stands; the rest is the other's."""
    await log.write([writer.record(BEGINNING + timedelta(milliseconds=number)) for number in range(2500)])
    first, second = log.sealer(), log.sealer()
    signed = 0

    def execute(*arguments: Any) -> None:
        nonlocal signed
        if arguments[2].startswith("INSERT INTO audit_leaves"):
            signed += 1
            if signed == 2:
                assert await_only(second.seal()).records == 1500

    event.listen(Engine, "before_cursor_execute", execute)
    try:
        done = await first.seal()
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
    tables = await sound(log.url)
    assert done == (1000, 1000, tables.notes[0], True, [])
    assert tables.sizes == [1000, 2000, 2500]
    assert list(FileAnchor(log.anchor).read()) == tables.notes[-1:]
    assert (await log.verify()).verdict is Verdict.PASS


def batches(chance: random.Random, writer: Writer, count: int) -> Iterator[list[Record]]:
    """What a process writes; some of it comes late."""
    for _ in range(count):
        time = datetime.now(UTC)
        yield [writer.record(time - chance.random() * timedelta(seconds=60)) for _ in range(chance.randrange(1, 20))]


async def write(log: Log, chance: random.Random, count: int) -> int:
    """Write as a process does, and say how many records that were."""
    sink, written = SQLAlchemySink(log.url), 0
    await sink.open()
    for batch in batches(chance, Writer(chance), count):
        await sink.write(batch)
        written += len(batch)
        await asyncio.sleep(chance.random() / 100)
    await sink.close()
    return written


async def seal_until(sealer: Sealer, over: asyncio.Event) -> list[Sealed]:
    """Pass after pass, and one more after the end."""
    done = []
    while not over.is_set():
        done.append(await sealer.seal())
    return done


async def check(log: Log, written: int, counts: Sequence[int]) -> None:
    """Everything is sealed once, and by somebody who says so."""
    assert written == len((await sound(log.url)).leaves) == sum(counts)
    report = await log.verify()
    assert (report.verdict, report.unsealed) == (Verdict.PASS, 0)


async def test_many_sealers_seal_everything_once_while_many_write(log: Log) -> None:
    """In one process; indexes have no gap, every checkpoint is one of the same tree, and nothing is left out."""
    await upgrade_database(log.url)
    over = asyncio.Event()
    sealing = [asyncio.create_task(seal_until(log.sealer(), over)) for _ in range(4)]
    written = await asyncio.gather(*(write(log, random.Random(seed), 15) for seed in range(3)))
    over.set()
    done = [sealed for task in sealing for sealed in await task]
    done.append(await log.sealer().seal())
    assert {trouble for sealed in done for trouble in sealed.troubles} == set()
    await check(log, sum(written), [sealed.records for sealed in done])


SCRIPT = """
    import asyncio, json, os, sys
    from asgi_audit.signing import SigningKey
    from asgi_audit.sqlalchemy import Sealer

    url, key, anchor = sys.argv[1:]
    sealer = Sealer(url, keys=[SigningKey.parse(key)], anchors=[anchor])
    os.set_blocking(0, False)

    def over():
        try:
            return os.read(0, 1) == b""
        except BlockingIOError:
            return False

    async def main():
        done = []
        while not over():
            done.append(await sealer.seal())
        print(json.dumps([[sealed.records, sealed.gave_way, sealed.troubles] for sealed in done]))

    print("ready", flush=True)
    asyncio.run(main())
"""


async def test_several_processes_seal_everything_once_while_many_write(log: Log) -> None:
    """As the workers of a server do, each with a sealer of its own."""
    await upgrade_database(log.url)
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), log.url, log.keys[0].encode(), str(log.anchor)]
    pipes: dict[str, Any] = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    processes: list[Any] = [subprocess.Popen(command, env=ENVIRONMENT, text=True, **pipes) for _ in range(3)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        written = await asyncio.gather(*(write(log, random.Random(seed), 20) for seed in range(3)))
        done: list[tuple[int, bool, list[str]]] = []
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (0, "")
            done += json.loads(output)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    last = await log.sealer().seal()
    assert [troubles for _, _, troubles in done if troubles] == []
    await check(log, sum(written), [last.records, *(records for records, _, _ in done)])
