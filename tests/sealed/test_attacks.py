"""Promise 14: changed, removed, inserted or reordered sealed data is found, and named."""

import asyncio
import random
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.record import APPLICATION_KINDS
from tests.postgres import execute
from tests.sealed.attacks import ATTACKS, Attack
from tests.sealed.named import missed
from tests.sealed.original import Original
from tests.sealed.scene import Scene

_ALL = frozenset({"anchor", "keys", "mac"})
_USUAL = frozenset({"anchor", "keys"})
_SAMPLE = 12  # every so many attacks are tried in PostgreSQL, or in full all
#: Findings that are about the text of one record.
_OWN = frozenset({"core", "part", "column", "malformed", "mac"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each attack is a test."""
    if "attack" in metafunc.fixturenames:
        chosen = ATTACKS
        if "in_postgres" in metafunc.fixturenames:
            chosen = [each for each in ATTACKS if not each.sqlite]
            chosen = chosen if metafunc.config.getoption("--full") else chosen[::_SAMPLE]
        metafunc.parametrize("attack", chosen, ids=str)


@pytest.fixture(scope="session")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory, full: bool) -> Original:
    """The log in a file."""
    home = tmp_path_factory.mktemp("sealed")
    return Original(f"sqlite:///{home}/audit.db", home, 2000 if full else 300)


@pytest.fixture(scope="session")
def in_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_admin_url: str, full: bool) -> Iterator[Original]:
    """The log in a database of a server."""
    name = f"audit_{uuid.uuid4().hex}"
    asyncio.run(execute(postgres_admin_url, f"CREATE DATABASE {name}"))
    url = urlunsplit(urlsplit(postgres_admin_url)._replace(path=f"/{name}"))
    original = Original(url, tmp_path_factory.mktemp("sealed"), 2000 if full else 300)
    yield original
    original.drop()


@pytest.mark.timeout(3600)
def test_an_attack_is_found_and_named(attack: Attack, in_sqlite: Original, full: bool) -> None:
    """By whoever knows no more than it needs, and by whoever knows everything."""
    play(attack, in_sqlite, *((100, 20) if full else (10, 10)))


@pytest.mark.timeout(3600)
def test_an_attack_in_postgresql_is_found_and_named(attack: Attack, in_postgres: Original, full: bool) -> None:
    """The same holds for a database that is picky about its types."""
    play(attack, in_postgres, *((10, 10) if full else (2, 2)))


def play(attack: Attack, original: Original, instances: int, at_once: int) -> None:
    """Attack so many times, several at once where they do not disturb each other; hold the verdicts against it."""
    base = f"{random.SystemRandom().getrandbits(32):08x}"
    at_once = at_once if attack.several else 1
    found = named = 0
    wrong: list[object] = []
    for number in range(instances // at_once):
        seed = f"{base}-{number}"
        with original.copied(random.Random(seed)) as scene:
            done = [attack.act(scene) for _ in range(at_once)]
            # Whoever knows just enough, more, or all: each, or in turn where there is a copy for each instance.
            knowing = (attack.needs, attack.needs | _USUAL, _ALL)
            for known in knowing[::2] if attack.several else (knowing[number % 3],):
                report = scene.verify(*known)
                unnamed = [each for each in done if missed(report, *each)]
                accused = _accused(report, scene) if attack.several else set()
                if report.verdict is not Verdict.TAMPERED or unnamed or accused:
                    wrong.append((seed, sorted(known), unnamed[:1], accused, report.verdict, report.findings[:5]))
                found += report.verdict is Verdict.TAMPERED and at_once
                named += at_once - len(unnamed)
    verdicts = instances * (2 if attack.several else 1)
    print(f"\n{attack}: {instances} instances, {verdicts} verdicts, {found} found, {named} named")
    assert wrong == []


def _accused(report: Report, scene: Scene) -> set[int]:
    """Records that were not touched, and are said to be wrong."""
    if any(row["kind"] not in APPLICATION_KINDS for row in scene.touched.values()):
        return set()  # what such a record has said counts no more
    return {each.index for each in report.findings if each.kind in _OWN and each.index is not None} - set(scene.touched)
