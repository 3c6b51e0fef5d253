"""What the application under test is to know; it reads it from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from asgi_audit.journal import FileJournal, log
from asgi_audit.journal.durability import Fsync

_VARIABLE = "ASGI_AUDIT_CRASH"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Where records go, where handlers say that they have run, and where and how records wait."""

    sink: str
    ran: Path
    #: In memory, if there is none.
    journal: Path | None = None
    fsync: Fsync = "interval"
    #: After which a segment is full.
    segment_bytes: int = 2**23

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """As `written` by the test."""
        return msgspec.json.decode(environment[_VARIABLE], type=cls, dec_hook=lambda kind, text: kind(text))

    def written(self) -> dict[str, str]:
        """As an environment, with this process's own."""
        return os.environ | {_VARIABLE: msgspec.json.encode(self, enc_hook=str).decode()}

    def make_journal(self) -> FileJournal | None:
        """What the trail is to be given."""
        if self.journal is None:
            return None
        # Nobody need set this outside of tests, so there is no option.
        vars(log)["_SEGMENT_BYTES"] = self.segment_bytes
        return FileJournal(self.journal, fsync=self.fsync)
