"""What one dead writer has left, on its way to the sinks."""

from collections.abc import Sequence

from asgi_audit.journal import tape
from asgi_audit.journal.base import Batch, Listener, Progress
from asgi_audit.journal.cursors import Cursor, Cursors
from asgi_audit.journal.remains import Remains


class Estate:
    """A queue (see `Queue`) that only gets shorter, and is removed when nobody needs it any more.

    `heirs` are those of its lanes that are here to read it; other lanes' records stay. One thread reads.
    """

    def __init__(self, remains: Remains, heirs: Sequence[str], primary: str, listener: Listener) -> None:
        self.finished = False
        self.name = remains.writer
        self._remains = remains
        self._primary = primary
        self._listener = listener
        self._end = remains.end
        self._cursors = Cursors(remains.directory.path)
        self._readers = {lane: tape.TapeReader(self._place(lane)) for lane in heirs}
        self._settle()

    @property
    def lagging(self) -> bool:
        """Whether only lanes behind the primary one have something to store."""
        return not self.progress(self._primary).waiting

    @property
    def bytes(self) -> int:
        """What it takes up."""
        return self._remains.bytes

    def read(self, lane: str, limit: int) -> Batch:
        """The lane's next records, at most `limit`."""
        reader = self._readers[lane]
        if self.finished:
            return Batch([], reader.acknowledged)
        try:
            stretch = tape.read(self._remains.segments, reader.place, reader.acknowledged, self._end, limit)
        except OSError as error:  # it must not keep our own records waiting; another look may have more luck
            self._listener.troubled("what a dead writer has left can't be read now", error)
            self.release()
            return Batch([], reader.acknowledged)
        reader.hand(stretch)
        return Batch(stretch.records, stretch.position)

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`."""
        if self.finished:
            return
        reader = self._readers[lane]
        reader.acknowledge(position, 0)
        try:
            self._cursors.save(Cursor(lane, reader.acknowledged, done=reader.acknowledged >= self._end))
            self._settle()
        except OSError as error:
            self._listener.troubled("a cursor could not be saved: what is stored may be delivered again", error)

    def progress(self, lane: str) -> Progress:
        """How far the lane has come; what is missing was declared by the recovery."""
        reader = self._readers.get(lane)
        if reader is None or self.finished:
            return Progress(0, 0, 0, 0, 0, 0)
        return reader.progress(first=0, position=self._end, readable=self._end, held=0)

    def release(self) -> None:
        """Leave the rest to others."""
        self.finished = True
        self._remains.directory.release()

    def _place(self, lane: str) -> int:
        """Where it goes on: a cursor from nowhere, behind the end, counts as the end."""
        return min(self._cursors.of(lane).position, self._end)

    def _settle(self) -> None:
        """Let go of what is stored everywhere."""
        places = [self._place(lane) for lane in self._remains.lanes]
        if min(places) >= self._end:
            self.finished = True
            self._remains.directory.remove()
        elif all(reader.acknowledged >= self._end for reader in self._readers.values()):
            self.release()
        else:
            self._remains.forget(min(places))
