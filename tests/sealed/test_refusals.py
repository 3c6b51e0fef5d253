"""Nothing is signed that contradicts what was signed: by the database's word, by an anchor's, by the sealer's own."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asgi_audit.errors import AuditError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.integrity.note import Note, sign
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer
from asgi_audit.sqlalchemy.head import SealRefused
from asgi_audit.sqlalchemy.tree import BrokenTree
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import Tables, change, read, roll_back, root, sound

pytestmark = pytest.mark.asyncio


async def fill(log: Log, writer: Writer, *counts: int) -> None:
    """Store so many records and seal them, and again; they are a minute apart."""
    for count in counts:
        await log.write([writer.record(BEGINNING + timedelta(minutes=writer.seq)) for _ in range(count)])
        await log.seal()


async def refused(log: Log, kind: type[AuditError], message: str, sealer: Sealer | None = None) -> None:
    """A pass raises this, and changes neither the database nor the anchor."""
    before = await read(log.url), log.anchor.read_bytes()
    for _ in range(2):
        with pytest.raises(kind, match=message):
            await (sealer or log.sealer()).seal()
    assert (await read(log.url), log.anchor.read_bytes()) == before


def unsigned(origin: str, tables: Tables, size: int) -> str:
    """What a stranger can say of the leaves without a key."""
    return sign(Checkpoint(origin, size, root([each for *_, each in tables.leaves][:size])).text, [])


async def forge(log: Log, note: str | bytes) -> None:
    """Put another text in the place of the newest checkpoint."""
    newest = "(SELECT max(size) FROM audit_checkpoints)"
    await change(log.url, f"UPDATE audit_checkpoints SET note = :note WHERE size = {newest}", note=note)


FORGERIES: dict[str, tuple[Callable[[Note], str], str]] = {
    "another signature": (
        lambda note: str(note._replace(signatures=(note.signatures[0]._replace(signature=bytes(64)),))),
        "the signature of audit.example/test on a checkpoint of the database is forged",
    ),
    "another text under it": (
        lambda note: str(note._replace(text=note.text.replace("\n6\n", "\n5\n"))),
        "is forged",
    ),
    "one that is true and one that is not": (
        lambda note: str(note._replace(signatures=(*note.signatures, note.signatures[0]._replace(signature=b"\0")))),
        "is forged",
    ),
    "another tree, unsigned": (
        lambda note: sign(Checkpoint("audit.example/test", 6, bytes(32)).text, []),
        "the leaves of the database are not those of its checkpoint of 6 records",
    ),
    "another size, unsigned": (
        lambda note: sign(note.text.replace("\n6\n", "\n5\n"), []),
        "the leaves of the database are not those of its checkpoint of 6 records",
    ),
    "no note": (lambda note: "all is well", "the database's checkpoint of 6 records is none"),
    "no checkpoint": (lambda note: sign("all is well\n", []), "the database's checkpoint of 6 records is none"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_checkpoint_is_not_gone_on_from(log: Log, writer: Writer, forgery: str) -> None:
    """A signature is made again and compared; what nobody of ours has signed must at least agree with the leaves."""
    await fill(log, writer, 4, 2)
    make, message = FORGERIES[forgery]
    await forge(log, make(Note.parse((await read(log.url)).notes[-1])))
    await log.write([writer.record(BEGINNING)])
    await refused(log, SealRefused, message)


async def test_a_checkpoint_must_be_text_and_its_peaks_must_not(
    sqlite_url: str, tmp_path: Path, writer: Writer
) -> None:
    """Columns of SQLite hold either, and the text may have the length of hashes."""
    log = Log(sqlite_url, tmp_path)
    await fill(log, writer, 5)
    await change(log.url, "UPDATE audit_checkpoints SET peaks = CAST(:text AS TEXT)", text="x" * 64)
    await refused(log, SealRefused, "the peaks of the database's checkpoint of 5 records are none")
    await forge(log, b"\xff")
    await refused(log, BrokenTree, "a checkpoint in the database is not even the row of one")


PEAKS: dict[str, Any] = {"too few": b"", "no hashes": b"1" * 63, "others": b"1" * 64}


@pytest.mark.parametrize("peaks", PEAKS)
async def test_forged_peaks_are_not_gone_on_from(log: Log, writer: Writer, peaks: str) -> None:
    """They must lead to the root that was signed; a sealer that knows better does not even look at them."""
    before = log.sealer()
    await log.write([writer.record(BEGINNING) for _ in range(5)])
    await before.seal()
    await change(log.url, "UPDATE audit_checkpoints SET peaks = :peaks", peaks=PEAKS[peaks])
    await refused(log, SealRefused, "the (peaks|leaves) of the database")
    await log.write([writer.record(BEGINNING)])
    assert (await before.seal()).records == 1
    assert await log.seal() == 0


LEAVES = {
    "missing": ("DELETE FROM audit_leaves WHERE idx = 4", "the leaf 4 is missing from the database"),
    "too short": ("UPDATE audit_leaves SET hash = :leaf WHERE idx = 4", "the leaf 4 in the database is no hash"),
    "far away": ("UPDATE audit_leaves SET idx = 999 WHERE idx = 5", "the leaf 5 is missing from the database"),
}


@pytest.mark.parametrize("leaf", LEAVES)
async def test_leaves_that_nobody_has_signed_yet_must_be_whole(log: Log, writer: Writer, leaf: str) -> None:
    """A sealer was killed before it signed; then somebody was at its leaves."""
    await fill(log, writer, 4, 2)
    await change(log.url, "DELETE FROM audit_checkpoints WHERE size = 6", LEAVES[leaf][0], leaf=b"short")
    await refused(log, BrokenTree, LEAVES[leaf][1])


@pytest.mark.parametrize("leaf", [0, 3, 5])
async def test_an_unsigned_log_is_reckoned_from_all_its_leaves(log: Log, writer: Writer, leaf: int) -> None:
    """There is no word to trust."""
    log.keys = []
    await fill(log, writer, 4, 2)
    other = leaf_hash(b"another")
    await change(log.url, "UPDATE audit_leaves SET hash = :other WHERE idx = :leaf", other=other, leaf=leaf)
    await refused(log, SealRefused, "the leaves of the database are not those of its checkpoint of 6 records")
    await change(log.url, "DELETE FROM audit_leaves WHERE idx = :leaf", leaf=leaf)
    await refused(log, BrokenTree, f"the leaf {leaf} is missing from the database")


@pytest.mark.parametrize("key", [None, SigningKey.generate("audit.example/test")], ids=["nobody", "a namesake"])
async def test_a_stranger_may_sign_only_what_is_true(log: Log, writer: Writer, key: SigningKey | None) -> None:
    """The newest checkpoint is by somebody else: it is held against leaves and anchor, and then signed."""
    await fill(log, writer, 4)
    await log.write([writer.record(BEGINNING)])
    await Sealer(log.url, keys=[key] if key else []).seal()
    assert await log.seal() == 0
    assert Note.parse((await sound(log.url)).notes[-1]).signatures[0].key_id == log.keys[0].key_id


async def test_an_anchor_that_knows_more_stops_the_sealer(log: Log, writer: Writer) -> None:
    """A backup was restored, or somebody has cut off the tail; the message says what there is, and the way out."""
    await fill(log, writer, 4, 2)
    await roll_back(log.url, 4)
    message = "^file:.* knows 6 sealed records, the database has 4; if a backup was restored: asgi-audit seal --restart"
    await refused(log, SealRefused, message)
    await log.write([writer.record(BEGINNING) for _ in range(9)])
    await refused(log, SealRefused, message)


async def test_an_anchor_that_knows_another_tree_stops_the_sealer(log: Log, writer: Writer) -> None:
    """Everything was built anew with the key itself, which then must have been stolen: the anchor is not."""
    await fill(log, writer, 6)
    await roll_back(log.url, 0)
    await log.write([writer.record(BEGINNING) for _ in range(9)])
    assert (await Sealer(log.url, keys=log.keys).seal()).size == 9
    await refused(log, SealRefused, "knows another tree of 6 records than the database has")


async def test_an_anchor_that_knows_the_log_of_an_empty_database_stops_the_sealer(log: Log, writer: Writer) -> None:
    """The log is known by the name of the key; of several keys by that of any."""
    await fill(log, writer, 6)
    await roll_back(log.url, 0)
    await log.write([writer.record(BEGINNING)])
    await refused(log, SealRefused, "knows the log audit.example/test, the database has no log yet")
    log.keys.insert(0, SigningKey.generate("another.example"))
    await refused(log, SealRefused, "knows the log audit.example/test, the database has no log yet")


async def test_a_log_under_another_name_does_not_get_past_the_anchor(log: Log, writer: Writer) -> None:
    """Whoever can write to the database calls the log something else, of which no anchor has heard."""
    await fill(log, writer, 4, 2)
    await roll_back(log.url, 4)
    await forge(log, unsigned("mallory.example", await read(log.url), 4))
    await refused(log, SealRefused, "knows the log audit.example/test, the database has mallory.example")


async def test_an_anchor_that_knows_only_other_logs_stops_nobody(log: Log, writer: Writer) -> None:
    """Several logs may share an anchor, as long as no name begins with another and a slash."""
    other = SigningKey.generate("audit.example/test-2")
    await log.write([writer.record(BEGINNING)])
    note = sign(Checkpoint(other.name, 1000, bytes(32)).text, [other])
    await log.sealer()._anchors[0].publish(note)
    assert await log.seal() == 1


async def test_a_sealer_remembers_what_it_has_signed(log: Log, writer: Writer) -> None:
    """Without any anchor: the one that is still there is not talked out of it. A new one has to believe."""
    sealer = Sealer(log.url, keys=log.keys)
    await fill(log, writer, 4)
    await log.write([writer.record(BEGINNING)])
    assert (await sealer.seal()).size == 5
    await roll_back(log.url, 4)
    await refused(log, SealRefused, "this sealer knows 5 sealed records of the log .*, the database has 4", sealer)
    await roll_back(log.url, 0)
    await refused(log, SealRefused, "this sealer knows 5 sealed records, the database has no log", sealer)
    await log.write([writer.record(BEGINNING) for _ in range(9)])
    assert (await Sealer(log.url, keys=log.keys).seal()).size == 9
    await refused(log, SealRefused, "the leaves of the database are not those of its checkpoint of 9", sealer)


async def test_a_sealer_may_have_seen_more_than_another_has_signed(log: Log, writer: Writer) -> None:
    """Leaves that were there when its own signature failed; the other had looked a moment earlier."""

    class Failing:
        name, key_id, failing = log.keys[0].name, log.keys[0].key_id, False

        def sign(self, text: bytes) -> bytes:
            if self.failing and b"\n6\n" in text:
                raise OSError("the token was pulled out")
            return log.keys[0].sign(text)

    key = Failing()
    sealer = Sealer(log.url, keys=[key])
    await log.write([writer.record(BEGINNING) for _ in range(4)])
    await sealer.seal()
    await fill(log, writer, 1, 1)
    newer = "audit_checkpoints WHERE size >= 5"
    await change(log.url, f"CREATE TABLE kept AS SELECT * FROM {newer}", f"DELETE FROM {newer}")
    key.failing = True
    with pytest.raises(OSError, match="the token"):
        await sealer.seal()
    key.failing = False
    await change(log.url, "INSERT INTO audit_checkpoints SELECT * FROM kept WHERE size = 5")
    assert (await sealer.seal()).size == 6
    await sound(log.url)


async def test_a_sealer_goes_on_from_what_another_has_signed(log: Log, writer: Writer) -> None:
    """What it remembers is the beginning of what it finds; unsigned logs as well."""
    for keys in (log.keys, []):
        sealer = Sealer(log.url, keys=keys)
        for _ in range(3):
            await log.write([writer.record(BEGINNING) for _ in range(3)])
            await Sealer(log.url, keys=keys).seal()
            await log.write([writer.record(BEGINNING) for _ in range(2)])
            assert (await sealer.seal()).records == 2
    await sound(log.url)
