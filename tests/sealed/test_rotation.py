"""Keys come and go; the log stays the same one."""

from datetime import timedelta

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note, verified
from asgi_audit.integrity.report import Verdict
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import sound

pytestmark = pytest.mark.asyncio

NAME = "audit.example/test"


async def seal_one(log: Log, writer: Writer, *keys: SigningKey) -> None:
    """Store a record and seal it with these keys."""
    log.keys = list(keys)
    await log.write([writer.record(BEGINNING + timedelta(seconds=writer.seq))])
    assert await log.seal() == 1


def signed_by(note: str, *keys: SigningKey) -> bool:
    """Whether these have signed it, in this order, and nobody else."""
    parsed = Note.parse(note)
    good = verified(parsed, [key.verifier for key in keys]) == [key.verifier for key in keys]
    return good and [each.key_id for each in parsed.signatures] == [key.key_id for key in keys]


async def test_both_keys_sign_once_and_then_the_new_one_alone(log: Log, writer: Writer) -> None:
    """Who pins the old one still verifies what it has signed, and finds in the one that both signed the last of it."""
    old, new = log.keys[0], SigningKey.generate(NAME)
    await seal_one(log, writer, old)
    await seal_one(log, writer, old, new)
    await seal_one(log, writer, new)
    first, both, last = (await sound(log.url)).notes
    assert signed_by(first, old)
    assert signed_by(both, old, new)
    assert signed_by(last, new)
    assert list(FileAnchor(log.anchor).read()) == [first, both, last]
    log.pinned = [old.verifier, new.verifier]
    report = await log.verify()
    assert (report.verdict, report.anchored, report.notes) == (Verdict.PASS, 3, [])
    log.pinned = [new.verifier]
    report = await log.verify()
    assert (report.verdict, report.anchored) == (Verdict.PASS, 3)
    log.pinned = [old.verifier]
    assert (await log.verify()).verdict is Verdict.TAMPERED


async def test_a_rotation_needs_no_new_record(log: Log, writer: Writer) -> None:
    """Both sign the tree as it is, beside the checkpoint that is there; a second pass has nothing left to sign."""
    old, new = log.keys[0], SigningKey.generate(NAME)
    await seal_one(log, writer, old)
    log.keys = [old, new]
    for _ in range(2):
        assert await log.seal() == 0
    first, both = (await sound(log.url)).notes
    assert signed_by(first, old)
    assert signed_by(both, old, new)
    assert list(FileAnchor(log.anchor).read()) == [first, both]
    await seal_one(log, writer, new)
    log.pinned = [old.verifier, new.verifier]
    assert (await log.verify()).verdict is Verdict.PASS


async def test_the_logs_name_stays_whatever_the_keys_are_called(log: Log, writer: Writer) -> None:
    """A new key may stand first, and have a name of its own."""
    old, new = log.keys[0], SigningKey.generate("somebody.example/else")
    await seal_one(log, writer, old)
    await seal_one(log, writer, new, old)
    await seal_one(log, writer, new)
    tables = await sound(log.url)
    assert {Checkpoint.parse(Note.parse(note).text).origin for note in tables.notes} == {NAME}
    log.pinned = [old.verifier, new.verifier]
    assert (await log.verify()).verdict is Verdict.PASS


async def test_who_has_lost_the_key_goes_on_with_another(log: Log, writer: Writer) -> None:
    """What the old one has signed is for the new one somebody else's word, which is held against all leaves."""
    old, new = log.keys[0], SigningKey.generate(NAME)
    for _ in range(3):
        await seal_one(log, writer, old)
    known = log.anchor.read_text().splitlines(keepends=True)
    log.anchor.write_text("".join(known[:-1]))  # nor is the anchor's word the newest
    await seal_one(log, writer, new)
    log.anchor.write_text("".join([*known, log.anchor.read_text().splitlines(keepends=True)[-1]]))
    await sound(log.url)
    log.pinned = [old.verifier, new.verifier]
    assert (await log.verify()).verdict is Verdict.PASS


async def test_the_first_key_of_an_unsigned_log_vouches_for_all_of_it(log: Log, writer: Writer) -> None:
    """It signs under the name that the log has; also when there is nothing new to sign."""
    key = log.keys[0]
    for _ in range(3):
        await seal_one(log, writer)
    log.keys = [key]
    for _ in range(2):
        assert await log.seal() == 0
    await seal_one(log, writer, key)
    tables = await sound(log.url)
    assert [len(Note.parse(note).signatures) for note in tables.notes] == [0, 0, 0, 1, 1]
    assert len({note.partition("\n")[0] for note in tables.notes}) == 1
    assert (await log.verify()).verdict is Verdict.PASS


async def test_sealers_with_different_keys_do_not_outbid_each_other(log: Log, writer: Writer) -> None:
    """In the middle of a rotation some processes have the old key and some the new: each signs a tree once."""
    old, new = log.keys[0], SigningKey.generate(NAME)
    await log.write([writer.record(BEGINNING)])
    sealers = [Sealer(log.url, keys=keys, anchors=[log.anchor]) for keys in ([old], [new], [new, old], [])]
    for _ in range(3):
        for sealer in sealers:
            assert not (await sealer.seal()).gave_way
    assert len((await sound(log.url)).notes) == 2
    log.pinned = [old.verifier, new.verifier]
    assert (await log.verify()).verdict is Verdict.PASS
