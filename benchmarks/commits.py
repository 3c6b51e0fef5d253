"""The least that a group commit can be: the measure for ours."""

import asyncio
import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Self


class GroupCommit:
    """Lines in a preallocated file. One thread syncs it, for all who have written meanwhile, and wakes them at once."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(self._file, 0, size)
        os.fsync(self._file)
        self._size = size
        self._end = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._bell: SimpleQueue[asyncio.AbstractEventLoop | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Write a line, which nobody waits for; from the beginning again where the file is full."""
        if self._end + len(line) > self._size:
            self._end = 0
        self._end += os.pwrite(self._file, line, self._end)

    async def commit(self, line: bytes) -> None:
        """Write a line, and wait until it is on the disk."""
        self.write(line)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append(done)
        self._bell.put(loop)
        await done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while (loop := self._bell.get()) is not None:
            waiting, self._waiting = self._waiting, []
            if waiting:
                os.fdatasync(self._file)
                loop.call_soon_threadsafe(_wake, waiting)


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)
