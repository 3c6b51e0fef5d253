"""What the SQL sinks store in a second, beside the least that their drivers need for the same rows.

The driver gets rows that are ready; the sink makes them from records first: leaf, commitments, columns.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, closing
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg

from asgi_audit.record import Record
from asgi_audit.sqlalchemy import SQLAlchemySink, postgres, sqlite
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS, RECORDS
from benchmarks.bench import Bench, interleaved
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stock import Stock
from benchmarks.stored import stored

_HELD_AGAINST: Final = 1000  # records of a batch
_FLOOR: Final = "audit_floor"
_SINK: Final = "sink"
_DRIVER: Final = "driver"


class Writer(NamedTuple):
    """Somebody who stores batches. What is prepared of one, is so before the clock starts; `rows` counts them."""

    prepare: Callable[[list[Record]], Any]
    write: Callable[[Any], Awaitable[object]]
    rows: Callable[[], Awaitable[int]]


Start = Callable[[AsyncExitStack, Bench], Coroutine[Any, Any, dict[str, Writer]]]


class Took(NamedTuple):
    """Of one round."""

    rate: float  # records per second
    cpu: float  # microseconds per record, of this process


def measure(bench: Bench) -> Results:
    """Each batch size by itself, in databases of its own; all who write take turns."""
    sizes = bench.pick([10, 50], [1, 10, 100, 1000, 5000])
    tables, goals = [], []
    with asyncio.Runner() as runner:
        for name, start, goal in (("PostgreSQL", _postgresql, 0.8), ("SQLite", _sqlite, 0.85)):
            found = {size: _compete(runner, bench, start, size) for size in sizes}
            tables.append(_table(name, found))
            if _HELD_AGAINST in found:
                ratio = _against(found[_HELD_AGAINST], _DRIVER).median
                goals.append(Goal(f"{name} sink against its driver, batches of 1,000", goal, ratio, at_most=False))
    return Results(tables, goals)


def _compete(runner: asyncio.Runner, bench: Bench, start: Start, size: int) -> dict[str, list[Took]]:
    batches = max(1, bench.pick(20, 10_000) // size) if size > 1 else bench.pick(2, 300)
    rounds, warm = bench.pick(1, 7), 1
    stack = AsyncExitStack()
    try:
        writers = runner.run(start(stack, bench))
        stocks = {name: Stock(batches * size * (rounds + warm)) for name in writers}

        def write(name: str, writer: Writer) -> Took:
            ready = [writer.prepare(stocks[name].take(size)) for _ in range(batches)]
            return runner.run(_time(writer, ready, batches * size))

        found = interleaved({name: partial(write, name, writer) for name, writer in writers.items()}, rounds, warm=warm)
        for name, writer in writers.items():
            assert runner.run(_rows(writer)) == batches * size * (rounds + warm), name
    finally:
        runner.run(stack.aclose())
    return found


async def _time(writer: Writer, ready: list[Any], records: int) -> Took:
    cpu, wall = time.process_time(), time.perf_counter()
    for each in ready:
        await writer.write(each)
    return Took(records / (time.perf_counter() - wall), (time.process_time() - cpu) / records * 1e6)


async def _rows(writer: Writer) -> int:
    return await writer.rows()


async def _sink(stack: AsyncExitStack, url: str, count: Callable[[], Awaitable[int]]) -> Writer:
    sink = SQLAlchemySink(url)
    await sink.open()
    stack.push_async_callback(sink.close)
    return Writer(lambda batch: batch, sink.write, count)


async def _postgresql(stack: AsyncExitStack, bench: Bench) -> dict[str, Writer]:
    """Each has a database of its own, so that their indexes are of one size."""
    names = (_SINK, _DRIVER, "without indexes")
    urls = {name: await asyncio.to_thread(bench.postgres) for name in names}
    connections = {name: await asyncpg.connect(url) for name, url in urls.items()}
    for connection in connections.values():
        stack.push_async_callback(connection.close)

    def counting(name: str, table: str = RECORDS) -> Callable[[], Awaitable[int]]:
        return lambda: connections[name].fetchval(f"SELECT count(DISTINCT id) FROM {table}")  # noqa: S608 - constants

    async def driver(name: str, table: str = RECORDS) -> Writer:
        tables = SQLAlchemySink(urls[name])
        await tables.open()  # makes them, with the indexes
        await tables.close()
        await postgres.PostgresWriter(connections[name], None).prepare()
        await connections[name].execute(f"CREATE TABLE {_FLOOR} AS SELECT * FROM {RECORDS}")  # noqa: S608 - constants

        async def copy(rows: list[Any]) -> None:
            await connections[name].copy_records_to_table(table, records=rows, columns=COLUMNS)

        return Writer(
            lambda batch: [tuple(postgres._adapt(build(record))) for record in batch], copy, counting(name, table)
        )

    return {
        _SINK: await _sink(stack, urls[_SINK], counting(_SINK)),
        _DRIVER: await driver(_DRIVER),
        "without indexes": await driver("without indexes", _FLOOR),
    }


async def _sqlite(stack: AsyncExitStack, bench: Bench) -> dict[str, Writer]:
    """`executemany` in the thread that asks, with the settings of the sink."""
    urls = {name: bench.sqlite() for name in (_SINK, _DRIVER)}
    sinks = {name: await _sink(stack, url, partial(stored, url)) for name, url in urls.items()}
    connection = stack.enter_context(closing(sqlite3.connect(urls[_DRIVER].removeprefix("sqlite:///"))))
    connection.execute("PRAGMA synchronous = FULL")

    async def insert(rows: list[Any]) -> None:
        with connection:
            connection.executemany(sqlite._INSERT, rows)

    prepare = lambda batch: [tuple(sqlite._adapt(build(record))) for record in batch]  # noqa: E731
    return {_SINK: sinks[_SINK], _DRIVER: Writer(prepare, insert, sinks[_DRIVER].rows)}


def _against(found: Mapping[str, list[Took]], other: str) -> Figure:
    return Figure.of(ours.rate / theirs.rate for ours, theirs in zip(found[_SINK], found[other], strict=True))


def _table(name: str, found: Mapping[int, Mapping[str, list[Took]]]) -> Table:
    others = [each for each in next(iter(found.values())) if each != _SINK]
    rates = [f"{each}, records/s" for each in (_SINK, *others)]
    columns = ["batch", *rates, *(f"sink × {each}" for each in others), "sink, CPU µs"]
    rows: list[list[Cell]] = [
        [
            str(size),
            *(Figure.of(took.rate for took in took_by[each]) for each in (_SINK, *others)),
            *(_against(took_by, each) for each in others),
            Figure.of(took.cpu for took in took_by[_SINK]),
        ]
        for size, took_by in found.items()
    ]
    return Table(
        f"sink-{name.lower()}",
        f"Storing batches in {name}",
        columns,
        rows,
        "The driver is given rows that are ready; the sink is given records.",
        Plot("lines", rates, "records/s", log=True),
    )
