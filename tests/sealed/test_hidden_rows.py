"""Rows that stand where nobody looks: behind others of the same key, once the database has no keys any more."""

import random
from collections.abc import Iterator

import pytest

from asgi_audit.integrity.report import Verdict
from tests.sealed.forging import invented
from tests.sealed.original import Original
from tests.sealed.scene import Scene


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log of more records than are read at a time."""
    home = tmp_path_factory.mktemp("hidden")
    return Original(f"sqlite:///{home}/audit.db", home, 2200)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy without keys, unique columns and NOT NULL."""
    with original.copied(random.Random(7)) as scene:
        scene.relax()
        yield scene


@pytest.mark.parametrize("index", [998, 999, 1000, 1999, 2000])
@pytest.mark.parametrize("first", [True, False])
def test_a_second_row_of_an_id_is_found(scene: Scene, index: int, first: bool) -> None:
    """Wherever it stands, also at the end of a page, before the true one or behind it."""
    row = next(row for row in scene.rows() if row["idx"] == index)
    other = invented(scene) | {"id": row["id"]}
    if first:
        scene.hand.run("DELETE FROM audit_records WHERE id = ?", row["id"])
        scene.insert(other)
        scene.insert(row)
    else:
        scene.insert(other)
    assert scene.verify("anchor", "keys").verdict is Verdict.TAMPERED


@pytest.mark.parametrize("index", [998, 999, 1000, 1999, 2000])
@pytest.mark.parametrize("first", [True, False])
def test_a_second_leaf_of_an_index_is_found(scene: Scene, index: int, first: bool) -> None:
    """With a record of its own, which is then neither among the sealed ones nor among the others."""
    forged = invented(scene)
    row = next(row for row in scene.rows() if row["idx"] == index)
    if first:
        scene.hand.run("DELETE FROM audit_leaves WHERE idx = ?", index)
    scene.insert(forged)
    scene.insert_leaf(index, forged)
    if first:
        scene.insert_leaf(index, row)
    assert scene.verify("anchor", "keys").verdict is Verdict.TAMPERED


def test_a_leaf_without_an_index_is_found(scene: Scene) -> None:
    """It is in no place, and its record would count as sealed."""
    forged = invented(scene)
    scene.insert(forged)
    scene.add("audit_leaves", {"idx": None, "record_id": forged["id"], "hash": b""})
    assert scene.verify("anchor", "keys").verdict is Verdict.TAMPERED
