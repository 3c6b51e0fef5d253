from pathlib import Path

import pytest

from asgi_audit.journal import FileJournal
from tests.contracts.journal_contract import JournalContract, MakeJournal


class TestFileJournal(JournalContract):
    @pytest.fixture(params=["never", "interval", "always"])
    def make(self, request: pytest.FixtureRequest, tmp_path: Path) -> MakeJournal:
        def make(*, max_bytes: int = 2**30) -> FileJournal:
            return FileJournal(tmp_path, fsync=request.param, max_bytes=max_bytes)

        return make
