"""Erasures, purges and losses: without a record, with one that is made up or changed, or whose record is deleted."""

import json
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy.warrant import ERASABLE
from tests.sealed.attacks.attack import attack, register
from tests.sealed.attacks.places import stretch
from tests.sealed.forging import content, invented, of_application, row_of, whole
from tests.sealed.hand import Stored
from tests.sealed.named import Named
from tests.sealed.scene import Scene


def erase(part: str, scene: Scene) -> list[Named]:
    """A part is erased, and no record says so."""
    return _erase(scene, [scene.take(lambda row: whole(row) and of_application(row))], part)


for each in PARTS:
    register(f"part {each}: erased, and no record says so", partial(erase, each), several=True)


@attack()
def erase_own(scene: Scene) -> list[Named]:
    """All parts of a record of the trail's own are erased."""
    row = scene.take(lambda row: not of_application(row))
    return [each for part in PARTS for each in _erase(scene, [row], part)]


@attack(several=True)
def erase_more(scene: Scene) -> list[Named]:
    """Another part is erased than the record says."""
    said = [_data(row) for row in scene.of_kind(Kind.ERASE)]
    row = scene.take(lambda row: any(row["id"] in each["records"] for each in said))
    return _erase(scene, [row], scene.chance.choice([part for part in PARTS if row[part] is not None]))


@attack("mac")
def erase_unsealed(scene: Scene) -> list[Named]:
    """A range is erased, with a record that is made up."""
    return _erased_range(scene)


@attack("mac")
def erase_sealed(scene: Scene) -> list[Named]:
    """A range is erased, with a record that is made up and honestly sealed."""
    named = _erased_range(scene)
    scene.seal()
    return named


def _erased_range(scene: Scene) -> list[Named]:
    first, last = stretch(scene)
    rows = [row for row in scene.rows() if first <= row["idx"] <= last and whole(row)]
    part = scene.chance.choice(PARTS)
    entry = invented(scene, Kind.ERASE, {"records": [row["id"] for row in rows], "parts": [part]})
    scene.insert(entry)
    return [Named("mac", record=entry["id"]), *_erase(scene, rows, part)]


@attack()
def erase_added(scene: Scene) -> list[Named]:
    """A record is erased, and named in an older erase record."""
    entry, changed, named = _added(scene)
    scene.set(entry["id"], detail=changed["detail"])
    return [Named("part", record=entry["id"]), *named]


@attack("anchor")
def erase_added_whole(scene: Scene) -> list[Named]:
    """A record is erased, and named in an older erase record, with all that needs no key."""
    entry, changed, _ = _added(scene)
    return _replace(scene, entry, changed)


def _added(scene: Scene) -> tuple[Stored, Stored, list[Named]]:
    entry = scene.chance.choice(scene.of_kind(Kind.ERASE))
    said = _data(entry)
    row = scene.take(lambda row: whole(row) and of_application(row))
    changed = _saying(scene, entry, said | {"records": [*said["records"], row["id"]]})
    return entry, changed, _erase(scene, [row], said["parts"][0])


@attack("mac")
def purge_unsealed(scene: Scene) -> list[Named]:
    """A range is purged, with a record that is made up."""
    return _purged_range(scene)


@attack("mac")
def purge_sealed(scene: Scene) -> list[Named]:
    """A range is purged, with a record that is made up and honestly sealed."""
    named = _purged_range(scene)
    scene.seal()
    return named


def _purged_range(scene: Scene) -> list[Named]:
    first, last = stretch(scene)
    rows = [row for row in scene.rows() if first <= row["idx"] <= last]
    digest = sha256("".join(f"{row['id']}\n" for row in rows).encode()).hexdigest()
    runs: dict[str, list[list[int]]] = {}
    for row in rows:
        runs.setdefault(row["writer"], []).append([row["seq"], row["seq"]])
    said = {"before": "2026-01-01", "records": len(rows), "ranges": [[first, last, digest]], "writers": runs}
    entry = invented(scene, Kind.PURGE, said)
    scene.insert(entry)
    scene.delete(first, last)
    return [Named("mac", record=entry["id"]), Named("removed", index=first)]


@attack()
def purge_more(scene: Scene) -> list[Named]:
    """More is purged than the record says."""
    end = _data(scene.of_kind(Kind.PURGE)[0])["ranges"][-1][1]
    scene.delete(end + 1, end + scene.chance.randrange(1, 50))
    return [Named("removed", index=end + 1)]


@attack()
def purge_widened(scene: Scene) -> list[Named]:
    """More is purged, and an older purge record says so."""
    entry, changed = _widened(scene)
    scene.set(entry["id"], detail=changed["detail"])
    return [Named("part", record=entry["id"]), Named("removed", index=0)]


@attack("anchor")
def purge_widened_whole(scene: Scene) -> list[Named]:
    """More is purged, and an older purge record says so, with all that needs no key."""
    return _replace(scene, *_widened(scene))


def _widened(scene: Scene) -> tuple[Stored, Stored]:
    entry = scene.of_kind(Kind.PURGE)[0]
    said = _data(entry)
    last = said["ranges"][-1][1] + scene.chance.randrange(1, 50)
    leaves = scene.hand.ask("SELECT record_id FROM audit_leaves WHERE idx <= ? ORDER BY idx", last)
    digest = sha256("".join(f"{leaf['record_id']}\n" for leaf in leaves).encode()).hexdigest()
    scene.delete(0, last)
    return entry, _saying(scene, entry, said | {"ranges": [[0, last, digest]]})


@attack()
def erase_record_deleted(scene: Scene) -> list[Named]:
    """An erase record is deleted."""
    entry = scene.chance.choice(scene.of_kind(Kind.ERASE))
    scene.delete(entry["idx"])
    return [Named("removed", index=entry["idx"]), *_unlawful(entry)]


@attack()
def erase_record_deleted_whole(scene: Scene) -> list[Named]:
    """An erase record is deleted, with all that needs no key."""
    entry = scene.chance.choice(scene.of_kind(Kind.ERASE))
    _forget(scene, entry)
    return _unlawful(entry)


@attack()
def purge_record_deleted(scene: Scene) -> list[Named]:
    """A purge record is deleted."""
    entry = scene.of_kind(Kind.PURGE)[0]
    scene.delete(entry["idx"])
    return [Named("removed", index=entry["idx"]), Named("removed", index=0)]


@attack()
def purge_record_deleted_whole(scene: Scene) -> list[Named]:
    """A purge record is deleted, with all that needs no key."""
    _forget(scene, scene.of_kind(Kind.PURGE)[0])
    return [Named("removed", index=0)]


@attack()
def loss_record_deleted(scene: Scene) -> list[Named]:
    """A loss record is deleted."""
    entry = scene.chance.choice(scene.of_kind(Kind.LOSS))
    scene.delete(entry["idx"])
    return [Named("removed", index=entry["idx"])]


@attack("anchor")
def loss_record_deleted_whole(scene: Scene) -> list[Named]:
    """A loss record is deleted, with all that needs no key."""
    entry = scene.chance.choice(scene.of_kind(Kind.LOSS))
    _forget(scene, entry)
    return scene.contradiction(entry["idx"])


@attack()
def loss_changed(scene: Scene) -> list[Named]:
    """The number of a loss is changed."""
    entry, changed = _lost(scene)
    scene.set(entry["id"], detail=changed["detail"])
    return [Named("part", index=entry["idx"], record=entry["id"])]


@attack("anchor")
def loss_changed_whole(scene: Scene) -> list[Named]:
    """The number of a loss is changed, with all that needs no key."""
    return _replace(scene, *_lost(scene))


@attack("anchor")
def loss_added(scene: Scene) -> list[Named]:
    """A record is deleted and declared lost, with all that needs no key."""
    row = scene.take(lambda row: row["idx"] < scene.size - 1)
    said = {"records": 1, "reason": "the sink was too far behind", "writer": row["writer"]}
    loss = invented(scene, Kind.LOSS, said)
    scene.delete(row["idx"])
    scene.insert(loss)
    scene.set_leaf(row["idx"], record_id=loss["id"], hash=leaf_hash(loss["core"].encode()))
    scene.rebuild()
    return scene.contradiction(row["idx"])


def _lost(scene: Scene) -> tuple[Stored, Stored]:
    entry = scene.chance.choice(scene.of_kind(Kind.LOSS))
    said = _data(entry)
    number = scene.chance.choice([each for each in range(20) if each != said["records"]])
    return entry, _saying(scene, entry, said | {"records": number})


def _erase(scene: Scene, rows: list[Stored], part: str) -> list[Named]:
    """Empty a part, as an erasure does."""
    for row in rows:
        scene.set(row["id"], **dict.fromkeys(ERASABLE[part]))
    return [Named("erasure", index=row["idx"], record=row["id"], writer=row["writer"]) for row in rows]


def _data(row: Stored) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(row["detail"])["data"]
    return data


def _saying(scene: Scene, row: Stored, data: dict[str, Any]) -> Stored:
    """The row of one of the trail's own records, had it said that."""
    return row_of(scene, msgspec.structs.replace(content(row), data=data))


def _replace(scene: Scene, row: Stored, changed: Stored) -> list[Named]:
    """Put one record in the place of another, and make anew whatever needs no key."""
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    scene.rebuild()
    return scene.contradiction(row["idx"])


def _forget(scene: Scene, row: Stored) -> None:
    """Delete a record with its leaf, and make anew whatever needs no key."""
    scene.delete(row["idx"])
    scene.cut(row["idx"], row["idx"])
    scene.rebuild()


def _unlawful(entry: Stored) -> list[Named]:
    """Everything that an erase record has named."""
    said = _data(entry)
    return [Named("erasure", record=id_) for id_ in said["records"]]
