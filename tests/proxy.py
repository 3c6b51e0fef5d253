"""A TCP proxy between a client and a server, for what happens on networks: a stall, a cut, a reply that is lost."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

#: PostgreSQL's message by which a client ends a COPY; the server commits, and answers.
COPY_DONE: Final = b"c\x00\x00\x00\x04"


class Proxy:
    """Passes bytes on, in a thread and loop of its own; its methods may be called from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._marker: bytes | None = None
        self._stall_marker: bytes | None = None
        self.lost = threading.Event()
        self.stalled = threading.Event()
        self.port = 0

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self._thread.start()
        listener = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._listener = listener.result()
        self.port = self._listener.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Cut everything and end the thread."""
        self.cut()
        self._call(self._listener.close)
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stall(self) -> None:
        """Pass nothing on until `flow`; `stalled` is set when something was held back."""
        self.stalled.clear()
        self._call(self._flowing.clear)

    def stall_at(self, marker: bytes) -> None:
        """Stall when the client sends this."""
        self.stalled.clear()
        self._stall_marker = marker

    def flow(self) -> None:
        """Pass everything on."""
        self._call(self._flowing.set)

    def cut(self) -> None:
        """Close every connection."""
        self._call(self._abort)

    def lose_reply(self, marker: bytes) -> None:
        """Once: pass the client's `marker` on, wait for the answer, throw it away and cut the connection; then set
        `lost`.
        """
        self.lost.clear()
        self._marker = marker

    def _call(self, function: object) -> None:
        done = threading.Event()

        def run() -> None:
            assert callable(function)
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _finish(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(*self._server)
        except OSError:
            to_client.transport.abort()
            return
        ends = {to_client, to_server}
        self._open |= ends
        losing = asyncio.Event()
        try:
            upstream = asyncio.create_task(self._pass_up(from_client, to_server, losing))
            downstream = asyncio.create_task(self._pass_down(from_server, to_client, losing))
            await asyncio.wait([upstream, downstream], return_when=asyncio.FIRST_COMPLETED)
            upstream.cancel()
            downstream.cancel()
            await asyncio.gather(upstream, downstream, return_exceptions=True)
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        tail = b""
        while data := await source.read(65536):
            if self._stall_marker is not None and self._stall_marker in data:
                self._stall_marker = None
                self._flowing.clear()
            await self._gate()
            if self._marker is not None:
                if self._marker in tail + data:
                    self._marker = None
                    losing.set()
                tail = data[-16:]
            sink.write(data)
            await sink.drain()

    async def _pass_down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await source.read(65536):
            await self._gate()
            if losing.is_set():
                self.lost.set()
                return
            sink.write(data)
            await sink.drain()

    async def _gate(self) -> None:
        if not self._flowing.is_set():
            self.stalled.set()
            await self._flowing.wait()


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of a URL, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    proxy.start()
    user = f"{parts.username}@" if parts.username else ""
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
    finally:
        proxy.stop()
