"""Records are deleted, inserted, told again, moved and numbered anew."""

import uuid
from functools import partial

import msgspec

from asgi_audit.integrity.merkle import leaf_hash
from tests.sealed.attacks.attack import attack, register
from tests.sealed.forging import content, invented, like, of_application, row_of, whole
from tests.sealed.hand import Stored
from tests.sealed.named import Named
from tests.sealed.scene import Scene


def removed(indexes: set[int]) -> list[Named]:
    """What is to be said of stored records that are gone: each stretch is named by its first."""
    return [Named("removed", index=index) for index in sorted(indexes) if index - 1 not in indexes]


def stretch(scene: Scene, most: int = 50) -> tuple[int, int]:
    """The first and the last of some neighbours that are all stored, with the last leaf never among them."""
    stored = {row["idx"] for row in scene.rows()}
    first = scene.chance.choice(sorted(stored - {scene.size - 1}))
    last = first
    while last + 1 in stored - {scene.size - 1} and last - first < most and scene.chance.random() < 0.9:
        last += 1
    return first, last


@attack(several=True)
def delete_one(scene: Scene) -> list[Named]:
    """One record is deleted."""
    row = scene.take()
    scene.delete(row["idx"])
    return [Named("removed", index=row["idx"])]


@attack()
def delete_leaf(scene: Scene) -> list[Named]:
    """A leaf is deleted."""
    first, _ = stretch(scene)
    scene.hand.run("DELETE FROM audit_leaves WHERE idx = ?", first)
    return [Named("index", index=first)]


@attack()
def delete_both(scene: Scene) -> list[Named]:
    """A record is deleted with its leaf."""
    first, _ = stretch(scene)
    scene.delete(first)
    scene.hand.run("DELETE FROM audit_leaves WHERE idx = ?", first)
    return [Named("index", index=first)]


@attack("anchor")
def delete_one_whole(scene: Scene) -> list[Named]:
    """One record is deleted, with all that needs no key."""
    first, _ = stretch(scene)
    return _without(scene, first, first)


@attack()
def delete_range(scene: Scene) -> list[Named]:
    """A range is deleted."""
    first, last = stretch(scene)
    scene.delete(first, last)
    return [Named("removed", index=first)]


@attack("anchor")
def delete_range_whole(scene: Scene) -> list[Named]:
    """A range is deleted, with all that needs no key."""
    return _without(scene, *stretch(scene))


def _without(scene: Scene, first: int, last: int) -> list[Named]:
    scene.delete(first, last)
    scene.cut(first, last)
    scene.rebuild()
    return scene.contradiction(first)


@attack()
def delete_writer(scene: Scene) -> list[Named]:
    """All of a writer is deleted."""
    theirs = _of_a_writer(scene)
    scene.hand.run("DELETE FROM audit_records WHERE writer = ?", theirs[0]["writer"])
    return removed({row["idx"] for row in theirs})


@attack("anchor")
def delete_writer_whole(scene: Scene) -> list[Named]:
    """All of a writer is deleted, with all that needs no key."""
    theirs = _of_a_writer(scene)
    scene.hand.run("DELETE FROM audit_records WHERE writer = ?", theirs[0]["writer"])
    gone = {row["idx"] for row in theirs}
    leaves = scene.hand.ask("SELECT * FROM audit_leaves ORDER BY idx")
    scene.hand.run("DELETE FROM audit_leaves")
    for index, leaf in enumerate(leaf for leaf in leaves if leaf["idx"] not in gone):
        scene.add("audit_leaves", leaf | {"idx": index})
    scene.rebuild()
    return scene.contradiction(theirs[0]["idx"])


def _of_a_writer(scene: Scene) -> list[Stored]:
    writer = scene.chance.choice(sorted({row["writer"] for row in scene.rows()}))
    return [row for row in scene.rows() if row["writer"] == writer]


def tail(style: str, scene: Scene) -> list[Named]:
    """Whatever comes after a point is cut off, and its checkpoints with it; the newest of what is left is made anew."""
    cut = scene.take(lambda row: row["idx"] < scene.size - 1)["idx"]
    scene.delete(cut, scene.size)
    if style == "records":
        return [Named("removed", index=cut)]
    scene.hand.run("DELETE FROM audit_leaves WHERE idx >= ?", cut)
    if style == "checkpoints":
        scene.hand.run("DELETE FROM audit_checkpoints WHERE size > ?", cut)
    scene.rebuild("stale" if style in {"leaves", "checkpoints"} else style)
    return scene.contradiction(cut)


for each, what, need in (
    ("records", "", ()),
    ("leaves", ", with the leaves", ("anchor",)),
    ("checkpoints", ", with leaves and checkpoints", ("anchor",)),
    ("unsigned", ", and the rest gets an unsigned checkpoint", ("anchor",)),
    ("own", ", and the rest gets a checkpoint by another key", ("anchor",)),
):
    register(f"the tail is cut off{what}", partial(tail, each), *need)


@attack("anchor")
def tail_at_checkpoint(scene: Scene) -> list[Named]:
    """The tail is cut off at a checkpoint."""
    cut = scene.chance.choice(scene.sizes[:-1])
    scene.delete(cut, scene.size)
    scene.hand.run("DELETE FROM audit_leaves WHERE idx >= ?", cut)
    scene.hand.run("DELETE FROM audit_checkpoints WHERE size > ?", cut)
    return scene.contradiction(cut)


@attack("anchor")
def insert_in_the_middle(scene: Scene) -> list[Named]:
    """A record is inserted in the middle, and the rest renumbered."""
    return _put(scene, stretch(scene)[0], invented(scene))


@attack("anchor")
def insert_at_the_end(scene: Scene) -> list[Named]:
    """Records are inserted at the end, in the place of others."""
    count = scene.chance.randrange(2, 20)
    first = scene.size - count
    scene.delete(first, scene.size)
    for index in range(first, scene.size):
        row = invented(scene)
        scene.insert(row)
        scene.set_leaf(index, record_id=row["id"], hash=leaf_hash(row["core"].encode()))
    scene.rebuild()
    return scene.contradiction(first)


@attack(several=True)
def replay_id(scene: Scene) -> list[Named]:
    """A record is told again under another id."""
    row = scene.take() | {"id": new_id(scene)}
    scene.relax()
    scene.insert(row)
    return [Named("column", record=row["id"])]


@attack(several=True)
def replay_core(scene: Scene) -> list[Named]:
    """A record is told again under another id, which its core says too."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    scene.relax()
    scene.insert(like(scene, row, id=new_id(scene)))
    return [Named("sequence", writer=row["writer"])]


@attack("anchor")
def replay_sealed(scene: Scene) -> list[Named]:
    """A record is told again under another id, sealed in the middle."""
    row = scene.take() | {"id": new_id(scene)}
    scene.relax()
    return _put(scene, stretch(scene)[0], row)


@attack("anchor")
def replay_renumbered(scene: Scene) -> list[Named]:
    """A record is told again under another id and seq, sealed in the middle."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    again = msgspec.structs.replace(content(row), id=new_id(scene), seq=row["seq"] + 10**6)
    return _put(scene, stretch(scene)[0], row_of(scene, again))


@attack()
def replay_index(scene: Scene) -> list[Named]:
    """A record is told again at another index."""
    row, (first, _) = scene.take(), stretch(scene)
    scene.relax()
    scene.shift(first, 1)
    scene.insert_leaf(first, row)
    scene.rebuild()
    return [Named("sequence", writer=row["writer"])]


@attack()
def second_row(scene: Scene) -> list[Named]:
    """A second row has the id of another."""
    row = scene.take(lambda row: whole(row) and of_application(row) and row["idx"] % 1000 != 999)
    scene.relax()
    scene.insert(invented(scene) | {"id": row["id"]})
    return [Named("index", index=row["idx"] + 1)]


@attack(several=True)
def renumber_two(scene: Scene) -> list[Named]:
    """Two records have each other's seq, in their columns."""
    one = scene.take()
    other = scene.take(lambda row: row["seq"] != one["seq"])
    scene.relax()
    scene.set(one["id"], seq=other["seq"])
    scene.set(other["id"], seq=one["seq"])
    return [Named("column", index=row["idx"], record=row["id"]) for row in (one, other)]


@attack()
def renumber_writer(scene: Scene) -> list[Named]:
    """All of a writer is renumbered, in the columns."""
    theirs = _of_a_writer(scene)
    scene.hand.run("UPDATE audit_records SET seq = seq + 1000000 WHERE writer = ?", theirs[0]["writer"])
    return [Named("column", index=row["idx"], record=row["id"]) for row in theirs]


@attack("anchor")
def renumber_writer_whole(scene: Scene) -> list[Named]:
    """All of a writer is renumbered, with all that needs no key."""
    theirs = [row for row in scene.rows() if whole(row) and of_application(row)]
    writer = scene.chance.choice(sorted({row["writer"] for row in theirs}))
    theirs = [row for row in theirs if row["writer"] == writer]
    for row in theirs:
        changed = like(scene, row, seq=row["seq"] + 10**6)
        scene.set(row["id"], **changed)
        scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    scene.rebuild()
    return scene.contradiction(theirs[0]["idx"])


def _put(scene: Scene, index: int, row: Stored) -> list[Named]:
    """Insert a record with its leaf, and make anew whatever needs no key."""
    scene.insert(row)
    scene.shift(index, 1)
    scene.insert_leaf(index, row)
    scene.rebuild()
    return scene.contradiction(index)


def new_id(scene: Scene) -> str:
    """One that no record has."""
    return str(uuid.UUID(int=scene.chance.getrandbits(128), version=4))
