"""Leaves and checkpoints are changed."""

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note, sign
from asgi_audit.record import Kind
from tests.sealed.attacks.attack import attack
from tests.sealed.attacks.places import new_id, stretch
from tests.sealed.hand import Stored
from tests.sealed.named import Named
from tests.sealed.scene import ORIGIN, Scene


def purged(scene: Scene) -> list[int]:
    """The leaves whose records are gone by a purge, by chance."""
    gone = sorted(set(range(scene.size)) - {row["idx"] for row in scene.rows()})
    scene.chance.shuffle(gone)
    return gone


def _leaf(scene: Scene, index: int) -> Stored:
    return scene.hand.ask("SELECT * FROM audit_leaves WHERE idx = ?", index)[0]


def _purge(scene: Scene) -> list[Named]:
    return [Named("purge", record=row["id"]) for row in scene.of_kind(Kind.PURGE)]


def _random(scene: Scene) -> bytes:
    return scene.chance.randbytes(32)


@attack(several=True)
def leaf_hashed(scene: Scene) -> list[Named]:
    """Leaf: another hash."""
    row = scene.take()
    scene.set_leaf(row["idx"], hash=_random(scene))
    return [Named("core", index=row["idx"], record=row["id"])]


@attack()
def leaf_no_hash(scene: Scene) -> list[Named]:
    """Leaf: a hash that is none."""
    first, _ = stretch(scene)
    scene.relax()
    scene.set_leaf(first, hash=scene.chance.choice([None, b"", _random(scene)[1:], _random(scene) + b"\0"]))
    return [Named("index", index=first)]


@attack(several=True)
def leaf_renamed(scene: Scene) -> list[Named]:
    """Leaf: another id, of a record that is there."""
    row = scene.take()
    scene.set_leaf(row["idx"], record_id=new_id(scene))
    return [Named("removed", index=row["idx"])]


@attack()
def purged_leaf_renamed(scene: Scene) -> list[Named]:
    """Leaf: another id, of a record that was purged."""
    scene.set_leaf(purged(scene)[0], record_id=new_id(scene))
    return _purge(scene)


@attack()
def purged_leaf_nameless(scene: Scene) -> list[Named]:
    """Leaf: no id, of a record that was purged."""
    scene.relax()
    scene.set_leaf(purged(scene)[0], record_id=None)
    return _purge(scene)


@attack()
def purged_leaves_renamed(scene: Scene) -> list[Named]:
    """Leaves: two have each other's id, of records that were purged."""
    one, other = purged(scene)[:2]
    _exchange(scene, one, other, "record_id")
    return _purge(scene)


@attack()
def purged_leaf_hashed(scene: Scene) -> list[Named]:
    """Leaf: another hash, of a record that was purged."""
    index = purged(scene)[0]
    scene.set_leaf(index, hash=_random(scene))
    return [Named("checkpoint", index=scene.contradiction(index)[0].index)]


@attack("anchor")
def purged_leaf_hashed_whole(scene: Scene) -> list[Named]:
    """Leaf: another hash, of a record that was purged, with the roots."""
    index = purged(scene)[0]
    scene.set_leaf(index, hash=_random(scene))
    scene.rebuild()
    return scene.contradiction(index)


@attack(several=True)
def leaves_hashes(scene: Scene) -> list[Named]:
    """Leaves: two have each other's hash."""
    one, other = scene.take(), scene.take()
    scene.set_leaf(one["idx"], hash=other["hash"])
    scene.set_leaf(other["idx"], hash=one["hash"])
    return [Named("core", index=row["idx"], record=row["id"]) for row in (one, other)]


@attack(several=True)
def leaves_ids(scene: Scene) -> list[Named]:
    """Leaves: two have each other's id."""
    one, other = scene.take(), scene.take()
    _exchange(scene, one["idx"], other["idx"], "record_id")
    return [
        Named("core", index=row["idx"], record=row["id"])
        for row in ({**one, "idx": other["idx"]}, {**other, "idx": one["idx"]})
    ]


@attack("anchor")
def leaves_places(scene: Scene) -> list[Named]:
    """Leaves: two change places."""
    one, other = scene.take()["idx"], scene.take()["idx"]
    _exchange(scene, one, other, "record_id", "hash")
    scene.rebuild()
    return scene.contradiction(min(one, other))


@attack()
def leaves_renumbered(scene: Scene) -> list[Named]:
    """Leaves: all from one on are renumbered."""
    first, _ = stretch(scene)
    scene.shift(first, scene.chance.choice([1, 7, 10**6]))
    return [Named("index", index=first)]


@attack()
def leaf_index(scene: Scene) -> list[Named]:
    """Leaf: another index."""
    first, _ = stretch(scene)
    to = scene.chance.choice([-1, scene.size, 2**40])
    scene.set_leaf(first, idx=to)
    return [Named("index", index=0 if to < 0 else first)]


def _exchange(scene: Scene, one: int, other: int, *columns: str) -> None:
    """Two leaves have each other's columns; an id is never there twice."""
    first, second = _leaf(scene, one), _leaf(scene, other)
    scene.hand.run("DELETE FROM audit_leaves WHERE idx IN (?, ?)", one, other)
    scene.add("audit_leaves", first | {name: second[name] for name in columns})
    scene.add("audit_leaves", second | {name: first[name] for name in columns})


@attack("anchor", "keys")
def note_byte(scene: Scene) -> list[Named]:
    """Checkpoint: one byte of the note."""
    row = scene.checkpoint()
    at = scene.chance.randrange(len(row["note"]))
    other = chr(scene.chance.choice([code for code in range(0x20, 0x7F) if chr(code) != row["note"][at]]))
    _set(scene, row, note=row["note"][:at] + other + row["note"][at + 1 :])
    return _about(row)


@attack(sqlite=True)
def note_gone(scene: Scene) -> list[Named]:
    """Checkpoint: no note, or bytes."""
    row = scene.checkpoint()
    scene.relax()
    _set(scene, row, note=scene.chance.choice([None, row["note"].encode(), 7.5]))
    return [Named("checkpoint", index=row["size"])]


@attack()
def note_exchanged(scene: Scene) -> list[Named]:
    """Checkpoint: the note of another size."""
    row = scene.checkpoint()
    notes = scene.hand.ask("SELECT size, note FROM audit_checkpoints")
    other = scene.chance.choice([each for each in notes if each["size"] != row["size"]])
    _set(scene, row, note=other["note"])
    return [Named("checkpoint", index=other["size"])]


@attack("anchor", "keys")
def note_unsigned(scene: Scene) -> list[Named]:
    """Checkpoint: nobody has signed."""
    row = scene.checkpoint()
    _set(scene, row, note=sign(Note.parse(row["note"]).text, []), signers="")
    return _about(row)


@attack("anchor")
def note_of_another_log(scene: Scene) -> list[Named]:
    """Checkpoint: another origin, and nobody has signed."""
    row = scene.checkpoint()
    _set(scene, row, note=sign(Note.parse(row["note"]).text.replace(ORIGIN, f"{ORIGIN}/2", 1), []), signers="")
    return [Named("checkpoint", index=row["size"])]


@attack()
def size_changed(scene: Scene) -> list[Named]:
    """Checkpoint: another size."""
    row = scene.checkpoint()
    _set(scene, row, size=row["size"] + scene.chance.randrange(2**20, 2**30))
    return _about(row)


@attack()
def peaks_changed(scene: Scene) -> list[Named]:
    """Checkpoint: other peaks."""
    row = scene.checkpoint()
    others = [
        b"",
        row["peaks"][32:],
        row["peaks"] + _random(scene),
        row["peaks"][:-1],
        row["peaks"][:-32] + _random(scene),
    ]
    _set(scene, row, peaks=scene.chance.choice(others))
    return [Named("checkpoint", index=row["size"])]


@attack()
def signers_changed(scene: Scene) -> list[Named]:
    """Checkpoint: other signers in its column."""
    row = scene.checkpoint()
    _set(scene, row, signers=scene.chance.choice(["", f"{row['signers']} 00c0ffee", scene.chance.randbytes(4).hex()]))
    return [Named("checkpoint", index=row["size"])]


@attack()
def checkpoint_added(scene: Scene) -> list[Named]:
    """Checkpoint: a second one of a size, with another root."""
    row = scene.checkpoint()
    note = sign(Checkpoint(ORIGIN, row["size"], _random(scene)).text, [])
    scene.add("audit_checkpoints", row | {"signers": "", "note": note})
    return [Named("checkpoint", index=row["size"])]


@attack("anchor")
def checkpoints_deleted(scene: Scene) -> list[Named]:
    """Checkpoints are deleted in the database only."""
    sizes = scene.chance.choice([scene.sizes, scene.sizes[-1:], scene.chance.sample(scene.sizes, 2)])
    for size in sizes:
        scene.hand.run("DELETE FROM audit_checkpoints WHERE size = ?", size)
    return [Named("checkpoint", index=size) for size in sizes]


def _set(scene: Scene, row: Stored, **values: object) -> None:
    changes = ", ".join(f"{name} = ?" for name in values)
    scene.hand.run(f"UPDATE audit_checkpoints SET {changes} WHERE size = ?", *values.values(), row["size"])


def _about(row: Stored) -> list[Named]:
    return [Named("checkpoint|signature", index=row["size"])]
