"""A power cut, as a model: what was not synced may be there, may be torn at any byte, zeroed, or something else."""

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_audit.journal import FileJournal
from asgi_audit.journal.durability import Fsync
from asgi_audit.record import Kind, Outcome, Record, decode
from tests.journal.succession import LANES, begin, die, directory_of, inherit, losses
from tests.samples import record

_SECTOR = 512  # bytes, of which a disk writes all or nothing
_IMAGES = 4  # of each cut
_END = 20_000  # bytes of a reason that fills a segment soon


#: What the disk has of it, and what was written.
File: TypeAlias = tuple[Path, bytes, bytes]
#: A method of `Requests`, and its arguments.
Step: TypeAlias = tuple[str] | tuple[str, int]


class Disk:
    """What the disk has of each file: what it held when it was last synced. Observed where the system is asked to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._has: dict[str, bytes] = {}  # by paths: an inode may be another file's next
        self._lock = threading.Lock()
        patch.setattr("asgi_audit.journal.segment._sync", self._observed(os.fdatasync))
        patch.setattr("os.fsync", self._observed(os.fsync))

    def _observed(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(file: int) -> None:
            path = Path(f"/proc/self/fd/{file}").resolve()
            before = (
                b"" if not path.is_file() else path.read_bytes().rstrip(b"\0")
            )  # what comes meanwhile may be too late
            real(file)
            with self._lock:
                self._has[str(path)] = before

        return sync

    def of(self, path: Path) -> bytes:
        """What it has of the file."""
        with self._lock:
            return self._has.get(str(path), b"")


class Requests:
    """Requests of one writer, and what those who wait for the disk were told of them."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self._running: list[Record] = []
        self._ended: dict[str, Record] = {}
        self.began: set[str] = set()
        self.safe_records: set[str] = set()
        self.safe_intents: set[str] = set()
        self.stored: set[str] = set()

    def begin(self) -> None:
        each = record(outcome=None)
        self._journal.intend(each)
        self._running.append(each)
        self.began.add(each.id)

    def end(self, length: int) -> None:
        if self._running:
            each = msgspec.structs.replace(self._running.pop(0), outcome=Outcome.SUCCESS, reason="x" * length)
            self._journal.append(each, each.id)
            self._ended[each.id] = each

    def settle(self) -> None:
        """Wait as a response does, if it does; else as somebody who flushes."""
        settled = threading.Event()
        if not self._journal.on_settled(settled.set):
            self._journal.sync()
        elif not settled.wait(30):
            raise TimeoutError
        self.safe_records = set(self._ended)
        self.safe_intents = set(self.began)

    def store(self, limit: int) -> None:
        for lane in LANES:
            batch = self._journal.read(lane, limit)
            self.stored |= {each.id for each in batch.records}
            self._journal.acknowledge(lane, batch.position)

    def check(self, told: list[Record], writer: str) -> None:
        """Nothing that is safe is gone, nothing is wrong."""
        requests = {each.id: each for each in told if each.kind is Kind.HTTP}
        interrupted = {each.id for each in requests.values() if each.outcome is Outcome.INTERRUPTED}
        assert self.safe_records <= (requests.keys() - interrupted) | self.stored
        assert self.safe_intents <= requests.keys() | self.stored
        assert interrupted <= self.began
        assert not interrupted & self.safe_records
        final = [each for each in requests.values() if each.id not in interrupted]
        for each in final:
            assert each.writer == writer
            assert msgspec.structs.replace(each, seq=None, writer=None) == _plain(self._ended[each.id])
        seqs = [each.seq or 0 for each in final]
        assert seqs == sorted(set(seqs))
        gone = self._ended.keys() - {each.id for each in final} - self.stored
        assert sum(each["records"] for each in losses(told) if "sink" in each) <= len(gone), (
            "what is stored is not lost"
        )


def _plain(each: Record) -> Record:
    return msgspec.structs.replace(decode(each.to_json()), seq=None, writer=None)


def content_after(chance: Random, confirmed: bytes, written: bytes) -> bytes | None:
    """What may stand in a file: the confirmed bytes, and any part of the rest, with sectors that never were written."""
    if not written.startswith(confirmed):  # it was cut since
        return confirmed
    rest = bytearray(written[len(confirmed) :])
    for at in range(0, len(rest), _SECTOR):
        if chance.random() < 0.1:
            size = len(rest[at : at + _SECTOR])
            rest[at : at + _SECTOR] = chance.choice([bytes(size), b"\n" * size, chance.randbytes(size)])
    if not confirmed and chance.random() < 0.3:
        return None  # not even its name
    torn = chance.choice([0, len(rest), chance.randint(0, len(rest))])
    return confirmed + bytes(rest[:torn]) + bytes(chance.choice([0, 1, 4096]))


def present(journal: FileJournal, disk: Disk) -> tuple[list[File], list[File]]:
    """Segments, and the file of cursors."""
    with journal._durability.busy, journal._lock:
        directory = directory_of(journal)
        found = [(path, disk.of(path), path.read_bytes().rstrip(b"\0")) for path in sorted(directory.glob("*[gs]"))]
    return [file for file in found if file[0].suffix], [file for file in found if not file[0].suffix]


STEPS = st.one_of(
    st.tuples(st.just("begin")),
    st.tuples(st.just("end"), st.sampled_from([0, 400, _END])),
    st.tuples(st.just("settle")),
    st.tuples(st.just("store"), st.integers(1, 8)),
)


#: Segments are filled, stored and let go of.
PASSING: list[Step] = [("begin",), ("end", _END), ("settle",), ("store", 8)] * 5
#: What is open is carried on to segments that the disk does not have.
CARRIED: list[Step] = [("begin",), ("begin",), ("begin",), ("begin",), ("end", _END), ("settle",), ("end", _END)]


@pytest.mark.parametrize("fsync", ["interval", "always"])
@given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, max_size=40))
@example(seed=0, steps=PASSING)
@example(seed=1, steps=PASSING)
@example(seed=2, steps=[*CARRIED, ("store", 8)])
@example(seed=3, steps=[*CARRIED, ("end", _END)])
@example(seed=4, steps=[*CARRIED, ("end", _END)])
@example(seed=5, steps=[*CARRIED, ("end", _END)])
@settings(deadline=None)
def test_what_was_confirmed_outlasts_a_power_cut(fsync: Fsync, seed: int, steps: list[Step]) -> None:
    """Whatever the disk makes of the rest: records that were settled are there, requests that had begun are on record.

    Nothing wrong is delivered, in order, and nobody is said to have given up what is only stored.
    """
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        journal = begin(Path(folder) / "origin", fsync=fsync, max_bytes=2**18)
        requests = Requests(journal)
        # What nobody waits for, the disk does not get by chance either, so that there is something to lose.
        with nullcontext() if journal.synchronous else journal._durability.busy:
            for what, *how in steps:
                getattr(requests, what)(*how)
            files, cursors = present(journal, disk)
        writer = journal.writer
        die(journal)
        chance = Random(seed)  # not hypothesis: how far the sync has come is nobody's to repeat
        for number in range(_IMAGES):
            place = Path(folder) / f"{number}"
            dead = place / writer
            dead.mkdir(parents=True)
            (dead / "lock").touch()
            for path, confirmed, written in [*files, *cursors]:
                content = content_after(chance, confirmed, written)
                if content is not None:
                    (dead / path.name).write_bytes(content)
            for told in inherit(place).values():
                requests.check(told, writer)
