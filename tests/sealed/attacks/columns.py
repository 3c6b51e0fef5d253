"""Any column of a record is changed: alone, to another value, to NULL, to another type; or so that all else agrees."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.record import Kind, Outcome, Record
from asgi_audit.sqlalchemy.schema import COLUMNS
from tests.sealed.attacks.attack import register
from tests.sealed.forging import SALTS, content, of_application, row_of, whole
from tests.sealed.hand import Stored
from tests.sealed.named import Named
from tests.sealed.scene import Scene

_DIGITS: Final = "0123456789abcdef"


def altered(value: Any, chance: Random) -> Any:
    """Another value of the type."""
    if isinstance(value, str):
        places = [at for at, character in enumerate(value) if character.isalnum()]
        if not places:  # an empty part
            return f"{value} "
        at = chance.choice(places)
        return value[:at] + chance.choice(_DIGITS.replace(value[at].lower(), "")) + value[at + 1 :]
    if isinstance(value, datetime):
        return value + timedelta(microseconds=chance.randrange(1, 10**9))
    return value + chance.randrange(10**6, 10**7)


def named(row: Stored, column: str) -> list[Named]:
    """What is to be said when this column is wrong."""
    if column == "id":
        return [Named("removed", index=row["idx"])]
    kind = "core" if column == "core" else "part" if column in {*PARTS, *SALTS} else "column"
    return [Named(kind, index=row["idx"], record=row["id"])]


def another(column: str, scene: Scene) -> list[Named]:
    """Another value, or any where there is none."""
    row = scene.take(lambda row: row[column] is not None or column == "parent")
    value = (
        str(uuid.UUID(int=scene.chance.getrandbits(128))) if row[column] is None else altered(row[column], scene.chance)
    )
    scene.set(row["id"], **{column: value})
    more = [Named("column", record=value)] if column == "id" else []
    return named(row, column) + more


def nothing(column: str, scene: Scene) -> list[Named]:
    """NULL."""
    row = scene.take(lambda row: row[column] is not None)
    scene.relax()
    scene.set(row["id"], **{column: None})
    return [Named("malformed", record=row["id"])] if column == "core" else named(row, column)


def blob(column: str, scene: Scene) -> list[Named]:
    """The same in bytes, which SQLite takes for any column."""
    row = scene.take(lambda row: row[column] is not None)
    scene.set(row["id"], **{column: str(row[column]).encode()})
    return [Named("malformed", record=row["id"])] if column == "core" else named(row, column)


def consistent(column: str, scene: Scene) -> list[Named]:
    """The record says something else, and so do its columns, its commitments, its leaf, and all roots behind it."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    changed = row_of(scene, _CHANGES[column](content(row), scene.chance))
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], record_id=changed["id"], hash=leaf_hash(changed["core"].encode()))
    scene.rebuild()
    return scene.contradiction(row["idx"])


def _field(name: str, make: Callable[[Any, Random], Any]) -> Callable[[Record, Random], Record]:
    return lambda record, chance: msgspec.structs.replace(record, **{name: make(getattr(record, name), chance)})


def _inner(name: str, field: str) -> Callable[[Record, Random], Record]:
    """Of the actor, the source, the request or the first target."""

    def change(record: Record, chance: Random) -> Record:
        holder: Any = record.targets[0] if name == "targets" and record.targets else getattr(record, name)
        holder = msgspec.structs.replace(holder, **{field: altered(getattr(holder, field), chance)})
        return msgspec.structs.replace(record, **{name: [holder] if name == "targets" else holder})

    return change


def _uuid(before: Any, chance: Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


_CHANGES: Final[dict[str, Callable[[Record, Random], Record]]] = {
    "id": _field("id", altered),
    "time": _field("time", altered),
    "parent": _field("parent", _uuid),
    "writer": _field("writer", altered),
    "seq": _field("seq", altered),
    "kind": _field("kind", lambda _, chance: chance.choice([Kind.EVENT, Kind.WEBSOCKET])),
    "duration_us": _field("duration_us", altered),
    "action": _field("action", altered),
    "outcome": _field("outcome", lambda _, chance: chance.choice([Outcome.DENIED, Outcome.FAILED, Outcome.ERROR])),
    "method": _inner("request", "method"),
    "route": _inner("request", "route"),
    "status": _inner("response", "status"),
    "service": _field("service", altered),
    "actor_id": _inner("actor", "id"),
    "actor_type": _inner("actor", "type"),
    "ip": _inner("source", "ip"),
    "target_type": _inner("targets", "type"),
    "target_id": _inner("targets", "id"),
    "tenant": _field("tenant", altered),
    "path": _inner("request", "path"),
    "request_id": _inner("request", "id"),
    "trace_id": _inner("request", "trace_id"),
}

for each in COLUMNS:
    register(f"column {each}: another value", partial(another, each), several=True)
    if each != "parent":
        register(f"column {each}: NULL", partial(nothing, each), several=True)
        register(f"column {each}: another type", partial(blob, each), several=True, sqlite=True)
for each in _CHANGES:
    register(f"column {each}: with all that needs no key", partial(consistent, each), "anchor")
