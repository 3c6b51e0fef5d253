"""Records as lines of JSON in a file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Record, encode
from asgi_audit.sinks.thread import OwnThread

if sys.platform != "win32":  # pragma: no branch - there is no such lock, so several processes must not share the file
    from fcntl import LOCK_EX, flock


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
        await self._thread.run(lambda: self._append(lines))

    async def close(self) -> None:
        """End the thread."""
        self._thread.close()

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            if sys.platform != "win32":  # pragma: no branch - see above
                flock(file, LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            try:
                _write_all(file.fileno(), lines)
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), size)
                raise

    def __repr__(self) -> str:
        return f"JSONLinesSink({str(self._path)!r})"


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
