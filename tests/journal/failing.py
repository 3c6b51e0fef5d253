"""A disk that fails for a while, where the system is asked."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

_SYNC = "asgi_audit.journal.segment._sync"


@contextmanager
def writes(monkeypatch: pytest.MonkeyPatch, number: int, after: int = 0) -> Iterator[None]:
    """After so many bytes each write to a segment fails with this error; with 0, it writes nothing and does not say."""
    left = [after]
    real = os.pwrite

    def write(file: int, content: bytes, at: int) -> int:
        if left[0] > 0:
            written = real(file, content[: left[0]], at)
            left[0] -= written
            return written
        if number:
            raise OSError(number, os.strerror(number))
        return 0

    with monkeypatch.context() as failing:
        failing.setattr(os, "pwrite", write)
        yield


@contextmanager
def syncs(monkeypatch: pytest.MonkeyPatch, times: int = 10**6) -> Iterator[list[int]]:
    """So many syncs of segments fail; yields the numbers of those that did."""
    failed: list[int] = []
    real: Callable[[int], None] = os.fdatasync

    def sync(file: int) -> None:
        if len(failed) < times:
            failed.append(len(failed))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(file)

    with monkeypatch.context() as failing:
        failing.setattr(_SYNC, sync)
        yield failed
