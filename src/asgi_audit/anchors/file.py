"""Checkpoints as lines in a file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from asgi_audit.anchors.aside import aside
from asgi_audit.anchors.base import is_of, line_of
from asgi_audit.anchors.stream import BLOCK, checkpoints, checkpoints_backwards
from asgi_audit.errors import ConfigurationError
from asgi_audit.sinks.lines import append_lines


class FileAnchor:
    """Appends each checkpoint to a file, on disk when `publish` returns; several processes may write to it.

    It belongs on a machine, or at least to an owner, that whoever can change the database can't reach. A new file is
    readable for all (0644), since auditors read it and nothing in it is secret, less what the umask takes away. It is
    not to be rotated: a verifier sees what stands in this file alone.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        if self._path.is_dir():
            raise ConfigurationError("path", str(path), "this is a directory; name a file in it")
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                "path", str(path), f"the directory {self._path.parent} does not exist; create it first"
            )
        self.name = f"file:{self._path}"

    async def publish(self, checkpoint: str) -> None:
        """Append it and sync it; what can't be written whole is taken back."""
        line = f"{line_of(checkpoint)}\n".encode()
        await aside(lambda: append_lines(self._path, line, mode=0o644))

    async def newest(self, log: str) -> str | None:
        """Read from the end of the file, so that its size does not matter."""
        return await aside(lambda: self._newest(log))

    def read(self) -> Iterator[str]:
        """Read the file from its beginning."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            remedy = "there is no such file; give the one that checkpoints are published to"
            raise ConfigurationError("anchor", str(self._path), remedy) from None
        with file:
            yield from checkpoints(iter(lambda: file.read(BLOCK), b""))

    def _newest(self, log: str) -> str | None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            return next((each for each in checkpoints_backwards(_from_its_end(file)) if is_of(each, log)), None)

    def __repr__(self) -> str:
        return f"FileAnchor({str(self._path)!r})"


def _from_its_end(file: BinaryIO) -> Iterator[bytes]:
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        yield file.read(end - start)
        end = start
