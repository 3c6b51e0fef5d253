"""The whole is made from scratch, an old backup is restored, a restart of the log is made up."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Final

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import CompactRange
from asgi_audit.integrity.note import sign
from asgi_audit.record import Kind
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer
from tests.sealed.attacks.attack import attack, register
from tests.sealed.attacks.places import stretch
from tests.sealed.forging import invented
from tests.sealed.hand import Stored
from tests.sealed.log import Writer
from tests.sealed.named import Named
from tests.sealed.scene import ORIGIN, Scene

_ANEW: Final = f"{ORIGIN}/restart-1-00c0ffee"


def from_scratch(style: str, origin: str, scene: Scene) -> list[Named]:
    """A record is gone, the tree is made of the others, and all its checkpoints are new."""
    first, _ = stretch(scene)
    scene.delete(first)
    scene.cut(first, first)
    scene.hand.run("UPDATE audit_checkpoints SET note = '', signers = ''")
    scene.rebuild(style, origin)
    related = origin == ORIGIN or origin.startswith(f"{ORIGIN}/")
    return scene.contradiction(first) if related else [Named("anchor")]


for each, signed in (("unsigned", "signed by nobody"), ("own", "signed by another key")):
    register(f"all is made from scratch, {signed}", partial(from_scratch, each, ORIGIN), "anchor")
    register(
        f"all is made from scratch as another log, {signed}", partial(from_scratch, each, "evil.example"), "anchor"
    )
    name = f"all is made from scratch as a restarted log, {signed}"
    register(name, partial(from_scratch, each, _ANEW), "anchor")


@attack("anchor")
def other_origin(scene: Scene) -> list[Named]:
    """All checkpoints are those of another log."""
    scene.rebuild(scene.chance.choice(["unsigned", "own"]), "evil.example")
    return [Named("anchor")]


@attack("anchor")
def emptied(scene: Scene) -> list[Named]:
    """Everything is deleted."""
    for table in ("audit_records", "audit_leaves", "audit_checkpoints"):
        scene.hand.run(f"DELETE FROM {table}")
    return scene.contradiction(0)


@attack("anchor")
def restored(scene: Scene) -> list[Named]:
    """An old backup is restored."""
    return _restored(scene)


@attack("anchor")
def restored_and_sealed(scene: Scene) -> list[Named]:
    """An old backup is restored, and sealed on without an anchor."""
    named = _restored(scene)
    keys = scene.chance.choice([scene.log.keys, [], [SigningKey.generate(ORIGIN)]])
    for _ in range(scene.chance.randrange(1, 4)):
        go_on(scene, scene.chance.randrange(1, 200))
        asyncio.run(Sealer(scene.log.url, keys=keys, mac=scene.log.mac).seal())
    return named


def _restored(scene: Scene) -> list[Named]:
    size = scene.chance.choice(scene.sizes[:-1])
    scene.restore(size)
    return scene.contradiction(size)


@attack("anchor")
def restart_unsealed(scene: Scene) -> list[Named]:
    """The tail is cut off, and a restart made up that nobody has sealed."""
    cut = cut_off(scene)
    size = scene.chance.choice([size for size in range(1, cut) if size not in scene.sizes])
    scene.insert(_restart(scene, cut, _ANEW))
    _sign(scene, size, _ANEW)
    return scene.contradiction(cut)


@attack("anchor")
def restart_sealed(scene: Scene) -> list[Named]:
    """The tail is cut off, and a restart made up, with its leaf and a checkpoint."""
    cut = cut_off(scene)
    row = _restart(scene, cut, _ANEW)
    scene.insert(row)
    scene.insert_leaf(cut, row)
    _sign(scene, cut + 1, _ANEW)
    return scene.contradiction(cut)


@attack("anchor")
def restart_beforehand(scene: Scene) -> list[Named]:
    """A restart that leads nowhere is made up, and honestly sealed; later the tail is cut off."""
    scene.insert(_restart(scene, 0, ORIGIN))
    return scene.contradiction(cut_off(scene))


def cut_off(scene: Scene) -> int:
    """Let the log go on honestly for two checkpoints, then cut it off at the first of them: no erasure is missed."""
    for _ in range(2):
        go_on(scene, scene.chance.randrange(1, 20))
        scene.seal()
        scene.size = scene.hand.ask("SELECT count(*) AS leaves FROM audit_leaves")[0]["leaves"]
        scene.sizes.append(scene.size)
        scene.leave()
    cut = scene.sizes[-2]
    scene.delete(cut, scene.size)
    scene.hand.run("DELETE FROM audit_leaves WHERE idx >= ?", cut)
    scene.hand.run("DELETE FROM audit_checkpoints WHERE size > ?", cut)
    return cut


def _restart(scene: Scene, size: int, to: str) -> Stored:
    """The record of a restart, as a sealer makes it."""
    said = {"from": [ORIGIN], "to": to, "size": size}
    return invented(scene, Kind.LOSS, {"records": 0, "reason": "the log was restarted", "restart": said})


def _sign(scene: Scene, size: int, origin: str) -> None:
    """A true checkpoint of an origin, which nobody has signed."""
    tree = CompactRange()
    for leaf in scene.hand.ask("SELECT hash FROM audit_leaves WHERE idx < ? ORDER BY idx", size):
        tree.append(leaf["hash"])
    before = scene.hand.ask("SELECT time FROM audit_checkpoints ORDER BY size")[0]
    note = sign(Checkpoint(origin, size, tree.root()).text, [])
    scene.add("audit_checkpoints", before | {"size": size, "signers": "", "note": note, "peaks": tree.to_bytes()})


def go_on(scene: Scene, count: int) -> None:
    """Honest records, by a writer that has just been started."""
    writer = Writer(scene.chance)
    scene.write(*(writer.record(datetime.now(UTC)) for _ in range(count)))
