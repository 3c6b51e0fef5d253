"""Records as lines of JSON in a file."""

import os
from collections.abc import Sequence
from pathlib import Path

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Record, encode
from asgi_audit.sinks.lines import append_lines
from asgi_audit.sinks.thread import OwnThread


class JSONLinesSink:
    """Appends each record to a file, as one line of JSON; private to its owner (0600), on disk when `write` returns.

    The file is opened anew for each batch, so it may be renamed or removed at any time, by logrotate for instance.
    Several processes may write to it. A batch that can't be written whole is taken back. After a crash a batch may
    stand twice: whoever reads it keeps one record per `id`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                "path", str(path), f"the directory {self._path.parent} does not exist; create it first"
            )
        self.name = f"jsonl:{self._path}"

    async def open(self) -> None:
        """Start the thread that writes."""
        self._thread = OwnThread()

    async def write(self, records: Sequence[Record]) -> None:
        """Append the batch and sync it."""
        lines = b"".join(encode(record) + b"\n" for record in records)
        if lines:
            await self._thread.run(lambda: append_lines(self._path, lines))

    async def close(self) -> None:
        """End the thread."""
        self._thread.close()

    def __repr__(self) -> str:
        return f"JSONLinesSink({str(self._path)!r})"
