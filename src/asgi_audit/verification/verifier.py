"""The verifier: goes through a log once, leaf by leaf, and holds everything against everything else."""

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from asgi_audit.anchors import Anchor
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.merkle import HASH_BYTES, CompactRange
from asgi_audit.integrity.note import Verifier as Key
from asgi_audit.integrity.report import Findings, Progress, Report, Verdict, WriterReport, unseen
from asgi_audit.record import Kind, Record
from asgi_audit.verification.accounts import Account, Accounts
from asgi_audit.verification.authority import Authority
from asgi_audit.verification.evidence import Evidence, Leaf, Row, TooLarge, Unreadable
from asgi_audit.verification.examination import Examined, Examiner
from asgi_audit.verification.heads import Heads
from asgi_audit.verification.scratch import Scratch

#: Leaves that may stand behind the last checkpoint: a sealer signs a thousand at a time.
_MOST_UNSIGNED: Final = 100_000
_MOST_WRITERS: Final = 1000
_LARGEST: Final = 2**62
_STEP: Final = 1000  # rows between two calls of `progress`


class Verifier:
    """What is known from elsewhere: public keys, anchors, the secret of the MACs; `log` names one log of several.

    With a secret every record must have its MAC, but for those sealed before index `mac_from`. `progress` is called
    with how many rows are done, of about how many. What is verified may be `older` than what the anchors know; else it
    must have all of it.
    """

    def __init__(
        self,
        *,
        keys: Sequence[Key] = (),
        anchors: Iterable[Anchor] = (),
        mac: MacKey | None = None,
        mac_from: int = 0,
        log: str | None = None,
        older: bool = False,
        progress: Progress = unseen,
    ) -> None:
        self._keys = tuple(keys)
        self._anchors = tuple(anchors)
        self._mac = mac
        self._mac_from = mac_from
        self._log = log
        self.older = older
        self._progress = progress

    async def verify(self, evidence: AbstractAsyncContextManager[Evidence]) -> Report:
        """Verify a log, in bounded memory.

        The anchors are read before the evidence is opened, which therefore must have all that they have. Raises what
        an anchor raises that can't be read.
        """
        scratch = Scratch()
        try:
            findings = Findings()
            heads = Heads(scratch, self._keys, findings)
            notes = [note for anchor in self._anchors for note in self._read(anchor, heads)]
            async with evidence as opened:
                run = _Run(opened, scratch, heads, findings, self)
                run.notes += notes
                return await run.report()
        finally:
            scratch.close()

    def examiner(self, findings: Findings) -> Examiner:
        """What examines single rows."""
        return Examiner(findings, self._mac, self._mac_from)

    def advanced(self, done: int, total: int) -> None:
        """So many rows are done."""
        self._progress(done, max(done, total))

    async def newest(self, log: str | None) -> list[str]:
        """What the anchors know by now."""
        found = [await anchor.newest(log) for anchor in self._anchors] if log else []
        return [note for note in found if note is not None]

    @property
    def log(self) -> str | None:
        """The name of the log that is meant, if it was given."""
        return self._log

    @property
    def signed(self) -> bool:
        """Whether signatures are looked at."""
        return bool(self._keys)

    def _read(self, anchor: Anchor, heads: Heads) -> list[str]:
        ignored = sum(not heads.anchored(note, anchor.name) for note in anchor.read())
        said = f"ignored, because they are no checkpoints by a given key: {ignored} of {anchor.name}"
        return [said] if ignored else []


class _Run:
    """One verification."""

    def __init__(
        self, evidence: Evidence, scratch: Scratch, heads: Heads, findings: Findings, verifier: Verifier
    ) -> None:
        self.notes: list[str] = []
        self._evidence = evidence
        self._scratch = scratch
        self._heads = heads
        self._findings = findings
        self._verifier = verifier
        self._examiner = verifier.examiner(findings)
        self._accounts = Accounts(scratch, evidence.name.partition(":")[0])
        self._authority = Authority(scratch, findings)
        self._tree = CompactRange()
        self._now = time.time_ns() // 1000
        self._unsealed = self._done = self._checkpoints = 0
        self._broken = False  # whether the tree could not be followed to its end

    async def report(self) -> Report:
        log: str | None = None
        try:
            await self._prepare()
            log = self._heads.begin(self._verifier.log)
            await self._leaves()
            async for row in self._evidence.unsealed():
                self._unsealed += 1
                self._take(row, None)
        except Unreadable as error:
            self._broken = True
            self._findings.add("table", str(error))
        self._authority.finish(whole=not self._broken)
        anchored, signed = self._heads.finish(
            self._tree.size, await self._verifier.newest(log), older=self._verifier.older
        )
        return self._conclude(log, anchored, signed)

    async def _prepare(self) -> None:
        async for stored in self._evidence.checkpoints():
            self._checkpoints += 1
            self._heads.stored(stored)
        quiet = self._verifier.examiner(Findings())  # what is wrong with them is said when their turn comes
        async for row in self._evidence.authorities():
            if (record := quiet.examine(row, None).record) is not None:
                self._authority.announce(record)
        self._authority.begin()

    async def _leaves(self) -> None:
        self._heads.reached(0, self._tree.root)
        limit = self._heads.largest + _MOST_UNSIGNED
        async for leaf in self._evidence.leaves():
            index = self._tree.size
            if not self._follows(leaf, index):
                return
            self._tree.append(leaf.hash)
            self._authority.leaf(index, leaf.record_id, present=leaf.row is not None)
            self._sealed(leaf, index)
            self._heads.reached(self._tree.size, self._tree.root)
            if self._tree.size > limit:
                raise Unreadable(f"there are more than {limit} leaves, far more than were ever signed")

    def _follows(self, leaf: Leaf, index: int) -> bool:
        """Whether the tree can be followed on."""
        if type(leaf.index) is not int or leaf.index != index:
            where = f"{leaf.index}" if type(leaf.index) is int else "no number"
            what = f"the leaf {index} is missing: the next one has the index {where}"
            if type(leaf.index) is int and 0 <= leaf.index < index:
                what = f"there are two leaves with the index {where}"
            self._findings.add("index", what, index=index)
        elif not isinstance(leaf.hash, bytes) or len(leaf.hash) != HASH_BYTES:
            self._findings.add("index", f"the leaf {index} is no hash", index=index)
        else:
            return True
        self._broken = True
        return False

    def _sealed(self, leaf: Leaf, index: int) -> None:
        if leaf.row is None:
            self._step()
            return
        record = self._take(leaf.row, index, leaf.hash).record
        if record is not None and record.id != leaf.record_id:
            what = f"the leaf is of {leaf.record_id!r:.60}, and the record is another"
            self._findings.add("index", what, index=index, record=record.id, writer=record.writer)

    def _take(self, row: Row | TooLarge, index: int | None, hashed: bytes | None = None) -> Examined:
        examined = self._examiner.examine(row, index, hashed)
        record = examined.record
        self._step()
        if record is not None:
            self._authority.erasure(record, examined.erased, index)
            since = self._now if index is None else self._heads.time or self._now
            if examined.authentic and self._numbered(record, index):
                self._accounts.add(record, since)
            if examined.sound:
                self._heed(record, index, since)
        return examined

    def _heed(self, record: Record, index: int | None, since: int) -> None:
        """What the trail says of itself."""
        self._accounts.declare(record, since)
        if record.kind in {Kind.ERASE, Kind.PURGE}:
            self._authority.confirm(record)
        elif record.kind is Kind.LOSS and index is not None:
            self._heads.restarted(record, index)

    def _numbered(self, record: Record, index: int | None) -> bool:
        if record.writer is not None and record.seq is not None and 0 <= record.seq < _LARGEST:
            return True
        self._findings.add("malformed", "the record has no writer and seq", index=index, record=record.id)
        return False

    def _step(self) -> None:
        self._done += 1
        if self._done % _STEP == 0:
            self._verifier.advanced(self._done, self._evidence.size)

    def _conclude(self, log: str | None, anchored: int | None, signed: int) -> Report:
        writers, reports, pending = self._writers()
        self._verifier.advanced(self._done, self._done)
        if not self._verifier.signed:
            self.notes.append("signatures were not checked: no public key was given")
        if self._heads.later is not None:
            self.notes.append(
                f"the anchors know {self._heads.later} records, this ends with {self._tree.size}: "
                "it is older than they, or its end was cut off"
            )
        behind = self._tree.size - (anchored or 0)
        if anchored is not None and behind:
            self.notes.append(f"the newest {behind} sealed records are not anchored yet")
        verdict = Verdict.PASS
        if self._accounts.lost or self._heads.begun_anew:
            verdict = Verdict.DECLARED_LOSS
        if anchored is None or anchored < signed:
            verdict = Verdict.UNANCHORED
        if self._findings.counts:
            verdict = Verdict.TAMPERED
        return Report(
            verdict=verdict,
            name=self._evidence.name,
            log=log,
            sealed=self._tree.size,
            unsealed=self._unsealed,
            anchored=anchored,
            checkpoints=self._checkpoints,
            root=self._tree.root().hex(),
            erased=self._authority.erased,
            purged=self._authority.purged,
            lost=self._accounts.lost,
            pending=pending,
            writers=writers,
            writer_reports=reports,
            findings=self._findings.kept,
            finding_counts=dict(self._findings.counts),
            notes=self.notes,
        )

    def _writers(self) -> tuple[int, list[WriterReport], int]:
        """How many there are, the first of them with the bad ones before the good, and what is pending of all."""
        bad: list[WriterReport] = []
        good: list[WriterReport] = []
        count = pending = 0
        for account in self._accounts.finish(self._now):
            count += 1
            pending = min(pending + account.pending, _LARGEST)
            self._judge(account)
            verdict = Verdict.DECLARED_LOSS if account.lost else Verdict.PASS
            if account.writer in self._findings.writers:
                verdict = Verdict.TAMPERED
            group = good if verdict is Verdict.PASS else bad
            if len(group) < _MOST_WRITERS:
                group.append(
                    WriterReport(
                        writer=account.writer,
                        verdict=verdict,
                        records=account.records,
                        lost=account.lost,
                        missing=account.missing,
                        pending=account.pending,
                    )
                )
        return count, (bad + good)[:_MOST_WRITERS], pending

    def _judge(self, account: Account) -> None:
        if account.twice is not None:
            what = f"the seq {account.twice} of this writer stands twice"
            self._findings.add("sequence", what, writer=account.writer)
        if account.gap is not None and not self._broken:
            what = (
                f"{account.missing} missing of this writer, the first with seq {account.gap[0]}; no loss record says so"
            )
            self._findings.add("sequence", what, writer=account.writer)
