"""The parts of a record, their salts, and its core: bytes changed, pieces exchanged, made anew, filled in again."""

from functools import partial
from typing import Final

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.sqlalchemy.schema import COLUMNS
from asgi_audit.sqlalchemy.warrant import ERASABLE
from tests.sealed.attacks.attack import attack, register
from tests.sealed.forging import content, invented, like, of_application, row_of, whole
from tests.sealed.hand import Stored
from tests.sealed.named import Named
from tests.sealed.scene import Scene

_PRINTABLE: Final = range(0x20, 0x7F)


def _wrong(row: Stored, kind: str = "part") -> list[Named]:
    return [Named(kind, index=row["idx"], record=row["id"])]


def _one_byte(scene: Scene, text: str) -> bytes:
    """One byte of it is another: any in SQLite, elsewhere one of ASCII."""
    raw = bytearray(text.encode())
    at = scene.chance.randrange(len(raw))
    raw[at] = scene.chance.choice([byte for byte in (range(256) if scene.sqlite else _PRINTABLE) if byte != raw[at]])
    return bytes(raw)


def _write(scene: Scene, row: Stored, column: str, raw: bytes) -> None:
    """Store bytes as a text, be they one or not."""
    if scene.sqlite:
        scene.hand.run(f"UPDATE audit_records SET {column} = CAST(? AS TEXT) WHERE id = ?", raw, row["id"])
    else:
        scene.set(row["id"], **{column: raw.decode()})


def byte(column: str, scene: Scene) -> list[Named]:
    """One byte of a part, or of the core."""
    row = scene.take(lambda row: row[column] is not None)
    _write(scene, row, column, _one_byte(scene, row[column]))
    return _wrong(row, "core" if column == "core" else "part")


def retold(part: str, scene: Scene) -> list[Named]:
    """A part says something else, and its columns with it."""
    other = invented(scene)
    row = scene.take(lambda row: whole(row) and of_application(row) and row[part] != other[part])
    scene.set(row["id"], **{name: other[name] for name in ERASABLE[part] if not name.endswith("_salt")})
    return _wrong(row)


def salted(part: str, scene: Scene) -> list[Named]:
    """A part, its columns and its salt are made anew."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    other = invented(scene)
    scene.set(row["id"], **{name: other[name] for name in ERASABLE[part]})
    return _wrong(row)


def exchanged(part: str, scene: Scene) -> list[Named]:
    """Two records have each other's part, with its columns and its salt."""
    one, other = (scene.take(lambda row: whole(row) and of_application(row)) for _ in range(2))
    scene.set(one["id"], **{name: other[name] for name in ERASABLE[part]})
    scene.set(other["id"], **{name: one[name] for name in ERASABLE[part]})
    return _wrong(one) + _wrong(other)


def committed(part: str, scene: Scene) -> list[Named]:
    """A part has another salt, and the commitment to it, the core, the leaf and all roots are made for that."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    changed = row_of(scene, content(row | {f"{part}_salt": f"{scene.chance.getrandbits(128):032x}"}))
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    scene.rebuild()
    return scene.contradiction(row["idx"])


@attack(several=True)
def filled(scene: Scene) -> list[Named]:
    """An erased part is filled in again."""
    row = scene.take(lambda row: not whole(row))
    part = scene.chance.choice([part for part in PARTS if row[part] is None])
    other = invented(scene)
    scene.set(row["id"], **{name: other[name] for name in ERASABLE[part]})
    return _wrong(row)


for each in PARTS:
    register(f"part {each}: one byte", partial(byte, each), several=True)
    register(f"part {each}: retold, with its columns", partial(retold, each), several=True)
    register(f"part {each}: retold, with its columns and salt", partial(salted, each), several=True)
    register(f"part {each}: exchanged between two records", partial(exchanged, each), several=True)
    register(f"part {each}: another salt, with all that needs no key", partial(committed, each), "anchor")
register("core: one byte", partial(byte, "core"), several=True)


@attack("anchor")
def core_byte_with_leaf(scene: Scene) -> list[Named]:
    """Core: one byte, with leaf and roots."""
    row = scene.take()
    raw = _one_byte(scene, row["core"])
    _write(scene, row, "core", raw)
    scene.set_leaf(row["idx"], hash=leaf_hash(raw))
    scene.rebuild()
    return scene.contradiction(row["idx"])


@attack(several=True)
def core_of_another(scene: Scene) -> list[Named]:
    """Core: another record's."""
    row, other = scene.take(), scene.take()
    scene.set(row["id"], core=other["core"])
    return _wrong(row, "core")


@attack("anchor")
def core_of_another_with_leaf(scene: Scene) -> list[Named]:
    """Core: another record's, with leaf and roots."""
    row, other = scene.take(), scene.take()
    scene.set(row["id"], core=other["core"])
    scene.set_leaf(row["idx"], hash=leaf_hash(other["core"].encode()))
    scene.rebuild()
    return scene.contradiction(row["idx"])


@attack(several=True)
def core_made_up(scene: Scene) -> list[Named]:
    """Core: one made up, with its parts and columns."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    scene.set(row["id"], **like(scene, row, action="GET /nothing"))
    return _wrong(row, "core")


@attack()
def core_made_up_with_leaf(scene: Scene) -> list[Named]:
    """Core: one made up, with its parts, columns and leaf; roots as they were."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    changed = like(scene, row, action="GET /nothing")
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    return [Named("checkpoint", index=scene.contradiction(row["idx"])[0].index)]


@attack(several=True)
def contents(scene: Scene) -> list[Named]:
    """Two records have each other's content."""
    one, other = scene.take(), scene.take()
    _exchange(scene, one, other)
    return _wrong(one, "core") + _wrong(other, "core")


@attack()
def contents_with_leaves(scene: Scene) -> list[Named]:
    """Two records have each other's content, and leaf."""
    one, other = scene.take(), scene.take()
    _exchange(scene, one, other)
    scene.set_leaf(one["idx"], hash=other["hash"])
    scene.set_leaf(other["idx"], hash=one["hash"])
    scene.rebuild()
    return _wrong(one, "column") + _wrong(other, "column")


def _exchange(scene: Scene, one: Stored, other: Stored) -> None:
    """Exchange everything but the ids; the pair of writer and seq is never there twice."""
    moved = [name for name in COLUMNS if name != "id"]
    scene.set(other["id"], seq=-1 - other["seq"])
    scene.set(one["id"], **{name: other[name] for name in moved})
    scene.set(other["id"], **{name: one[name] for name in moved})
