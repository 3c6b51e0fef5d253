"""A client under whose load the server is killed: several connections, kept alive, each with one request at a time."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable

from tests.crash.endpoints import ENDPOINTS
from tests.crash.history import Answer, History

HOST = "127.0.0.1"
_CONNECTIONS = 12
_SECONDS = 30.0  # after which a response that has neither come nor broken off never will
_ENDPOINTS = list(ENDPOINTS.values())
_WEIGHTS = [endpoint.weight for endpoint in _ENDPOINTS]


class Response:
    """A whole response, and which worker gave it."""

    def __init__(self, head: bytes) -> None:
        status, *lines = head.decode("ascii").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.body = b""

    @property
    def worker(self) -> int:
        """The process id of the worker that answered."""
        return int(self.headers["x-worker"])


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str) -> Response:
    """Send a request and read the response to its end; raises `OSError` or `EOFError` if it has none."""
    marker = path.rpartition("/")[2]
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nx-request-id: {marker}\r\n\r\n".encode())
    response = Response(await reader.readuntil(b"\r\n\r\n"))
    if "content-length" in response.headers:
        response.body = await reader.readexactly(int(response.headers["content-length"]))
    elif response.headers.get("transfer-encoding") == "chunked":
        size = -1
        while size:
            size = int(await reader.readuntil(b"\r\n"), 16)
            response.body += (await reader.readexactly(size + 2))[:-2]
    else:
        assert response.status == 204
    return response


class Load:
    """The clients of one round. They note in the history what they issue, and what is answered."""

    def __init__(self, port: int, history: History, chance: random.Random) -> None:
        self.worker = 0  # who answered last
        self._port = port
        self._history = history
        self._chance = chance
        self._over = False
        self._awaited: list[tuple[int, asyncio.Event]] = []

    async def run(self, meanwhile: Awaitable[None]) -> None:
        """Keep the server busy until that is done, and the clients then have what they wait for."""
        async with asyncio.timeout(_SECONDS * 2), asyncio.TaskGroup() as clients:
            for _ in range(_CONNECTIONS):
                clients.create_task(self._client())
            await meanwhile
            self._over = True

    async def answers(self, count: int) -> None:
        """Wait for this many more complete responses."""
        event = asyncio.Event()
        self._awaited.append((len(self._history.answered) + count, event))
        await event.wait()

    async def _client(self) -> None:
        while not self._over:
            with contextlib.suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    await self._converse(reader, writer)
                finally:
                    writer.close()
                continue
            # Nobody listens until the server is up again, and nothing tells when that is.
            await asyncio.sleep(0.02)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not for ever: whichever worker takes the next connection, both are to have some.
        for _ in range(self._chance.randrange(1, 30)):
            if self._over:
                return
            (endpoint,) = self._chance.choices(_ENDPOINTS, _WEIGHTS)
            marker = f"{self._chance.getrandbits(128):032x}"
            self._history.issued[marker] = endpoint
            async with asyncio.timeout(_SECONDS):
                response = await ask(reader, writer, endpoint.method, endpoint.path(marker))
            self.worker = response.worker
            self._note(marker, Answer(response.status, response.body.decode("ascii")))
            if endpoint.name == "broken":
                return  # the server hangs up after the exception

    def _note(self, marker: str, answer: Answer) -> None:
        self._history.answered[marker] = answer
        for count, event in self._awaited:
            if len(self._history.answered) >= count:
                event.set()
