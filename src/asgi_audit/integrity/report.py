"""What a verification has found: one verdict for the log, one for each writer, and what each rests on."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

#: Told how many rows are done, of about how many.
Progress: TypeAlias = Callable[[int, int], None]

_MOST: Final = 1000  # findings that are kept; the others are counted
_MOST_WRITERS: Final = 10_000


def unseen(done: int, total: int) -> None:
    """A progress that nobody follows."""


class Verdict(StrEnum):
    """From good to bad."""

    PASS = "PASS"  # noqa: S105 - no password
    DECLARED_LOSS = "DECLARED LOSS"
    UNANCHORED = "UNANCHORED"
    TAMPERED = "TAMPERED"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as it should be.

    `kind` is a word for programs: `core`, `part`, `column`, `mac`, `malformed` (a record's own), `index`, `removed`,
    `sequence` (its place), `erasure`, `purge`, `checkpoint`, `signature`, `anchor`, `table`.
    """

    kind: str
    what: str
    index: int | None = None
    record: str | None = None
    writer: str | None = None


class WriterReport(msgspec.Struct, frozen=True, kw_only=True):
    """One writer: how many records are there, declared lost, missing without a word, and not settled yet."""

    writer: str
    verdict: Verdict
    records: int
    lost: int
    missing: int
    pending: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. Of findings and writers the first are listed, the bad ones before the good, and all are counted."""

    verdict: Verdict
    name: str
    log: str | None
    sealed: int
    unsealed: int
    anchored: int | None
    checkpoints: int
    root: str
    erased: dict[str, int]
    purged: int
    lost: int
    pending: int
    writers: int
    writer_reports: list[WriterReport]
    findings: list[Finding]
    finding_counts: dict[str, int]
    notes: list[str]


class Findings:
    """Collects findings, within bounds."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self.writers: set[str] = set()  # who are concerned

    def add(
        self, kind: str, what: str, *, index: int | None = None, record: str | None = None, writer: str | None = None
    ) -> None:
        """Take one."""
        self.counts[kind] += 1
        if writer is not None and len(self.writers) < _MOST_WRITERS:
            self.writers.add(writer)
        if len(self.kept) < _MOST:
            self.kept.append(Finding(kind=kind, what=what, index=index, record=record, writer=writer))
