"""A database against the verifier, the sealer, the eraser, the purger and the prover: tables that are none of ours."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest
from sqlalchemy.exc import SQLAlchemyError

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import AuditError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.sqlalchemy.proving import prove
from tests.postgres import execute
from tests.sealed.log import BEGINNING, Log
from tests.sealed.original import Original
from tests.sealed.scene import Scene
from tests.sealed.shapes import ANYWHERE, SQLITE, Shape
from tests.sealed.shapes_postgresql import POSTGRESQL
from tests.sealed.tables import root

PATIENCE = 60


@pytest.fixture(scope="module")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log in a file."""
    home = tmp_path_factory.mktemp("shapes")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture(scope="module")
def in_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_admin_url: str) -> Iterator[Original]:
    """A log in a database of a server."""
    name = f"audit_{uuid.uuid4().hex}"
    asyncio.run(execute(postgres_admin_url, f"CREATE DATABASE {name}"))
    url = urlunsplit(urlsplit(postgres_admin_url)._replace(path=f"/{name}"))
    original = Original(url, tmp_path_factory.mktemp("shapes"), 100)
    yield original
    original.drop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each shape is a test; of those that both kinds of databases know, a sample will do in the slower one."""
    if "shape" in metafunc.fixturenames:
        shapes = [*ANYWHERE, *SQLITE]
        if "in_postgres" in metafunc.fixturenames:
            shapes = [*(ANYWHERE if metafunc.config.getoption("--full") else ANYWHERE[::4]), *POSTGRESQL]
        metafunc.parametrize("shape", shapes, ids=str)


def test_it_is_found_and_nobody_acts_on_it(in_sqlite: Original, shape: Shape) -> None:
    """The verifier says what is wrong. Sealer, eraser, purger and prover do their work or raise, and sign no lie."""
    with in_sqlite.copied(random.Random(1)) as scene:
        play(scene, shape)


def test_it_is_found_and_nobody_acts_on_it_in_postgresql(in_postgres: Original, shape: Shape) -> None:
    """The same, where columns have types, and views may do anything."""
    with in_postgres.copied(random.Random(1)) as scene:
        play(scene, shape)


def play(scene: Scene, shape: Shape) -> None:
    """Let everybody have a look at the shape."""
    record = scene.rows()[-1]["id"]
    before, leaves = anchored(scene), hashes(scene)
    for statement in shape.statements:
        scene.hand.run(statement)
    scene.leave()
    judge(scene.log, shape)
    act(scene.log, record)
    if anchored(scene) != before:  # what was signed goes on from what was signed before
        leaves += hashes(scene, len(leaves))
        assert [each for each in anchored(scene) if root(leaves[: each.size]) != each.root] == []


def judge(log: Log, shape: Shape) -> None:
    """Hear the verifier."""

    async def verify() -> Report:
        async with asyncio.timeout(PATIENCE):
            return await log.verify()

    try:
        report = asyncio.run(verify())
    except AuditError as error:
        raised = f"{type(error).__name__}: {error}"
    else:
        raised = ""
        msgspec.json.encode(report)
        assert report.verdict is Verdict.TAMPERED
        assert [each for each in report.findings if each.kind == shape.kind and shape.said in each.what]
    assert bool(raised) is (shape.kind is None)
    assert not raised or shape.said in raised


def act(log: Log, record: str) -> None:
    """Let everybody else have his turn."""
    turns: list[Callable[[], Awaitable[object]]] = [
        lambda: prove(log.url, record),
        lambda: log.erase([record], "actor"),
        log.seal,
        lambda: log.purge(BEGINNING + timedelta(seconds=50)),
        log.seal,
    ]

    async def take(turn: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(PATIENCE):
            await turn()

    for turn in turns:
        with suppress(AuditError, SQLAlchemyError):
            asyncio.run(take(turn))


def anchored(scene: Scene) -> list[Checkpoint]:
    """What the anchor has."""
    return [Checkpoint.parse(Note.parse(note).text) for note in FileAnchor(scene.log.anchor).read()]


def hashes(scene: Scene, first: int = 0) -> list[bytes]:
    """The leaves from an index on."""
    found = scene.hand.ask("SELECT hash FROM audit_leaves WHERE idx >= ? ORDER BY idx", first)
    scene.leave()
    return [row["hash"] for row in found]
