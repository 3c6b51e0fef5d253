"""Keys, anchors, and trails that are sealed."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from asgi_audit.record import Kind, Record
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer
from tests.cli.conftest import Store
from tests.sealed.log import BEGINNING, Writer

Seal: TypeAlias = Callable[[str], None]

NAME = "audit.example/cli"


@pytest.fixture
def key(tmp_path: Path) -> str:
    """The file of a key; its public half lies beside it."""
    path = tmp_path / "audit.key"
    SigningKey.generate(NAME).save(path)
    return str(path)


@pytest.fixture
def anchor(tmp_path: Path) -> str:
    """The file that checkpoints go to; it is not there yet."""
    return str(tmp_path / "checkpoints.jsonl")


@pytest.fixture
def seal(key: str, anchor: str) -> Seal:
    """A function that seals a database with them, without a word."""

    def seal(url: str) -> None:
        assert asyncio.run(Sealer(url, keys=[SigningKey.load(key)], anchors=[anchor]).seal()).troubles == []

    return seal


@pytest.fixture
def sound(story: Sequence[Record]) -> list[Record]:
    """The story without its loss."""
    return [each for each in story if each.kind is not Kind.LOSS]


@pytest.fixture
def sealed(url: str, store: Store, sound: Sequence[Record], seal: Seal) -> str:
    """The URL of a trail of four records, which is sealed and anchored."""
    store(url, sound)
    seal(url)
    return url


@pytest.fixture
def sealed_file(tmp_path: Path, store: Store, sound: Sequence[Record], seal: Seal) -> str:
    """The path of such a trail in SQLite."""
    path = tmp_path / "audit.db"
    store(f"sqlite:///{path}", sound)
    seal(f"sqlite:///{path}")
    return str(path)


def old(count: int) -> list[Record]:
    """Records that were made a month ago, a minute apart."""
    writer = Writer(random.Random(count))
    return [writer.record(BEGINNING + timedelta(minutes=minute)) for minute in range(count)]
