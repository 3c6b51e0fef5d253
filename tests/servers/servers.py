"""Real servers, each in a thread of the test's own process, on a port that the system picks."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import pytest

from asgi_audit._types import ASGIApp, Receive, Scope, Send

try:
    import hypercorn.asyncio
    import hypercorn.trio
    import trio
    import uvicorn
    import uvloop
except ImportError as error:
    pytest.fail(f"{error}: install what these tests need with `python3 dev.py test`", pytrace=False)

SECONDS = 10.0  # after which something that should have happened never will

UVICORN = ["uvicorn-h11-asyncio", "uvicorn-h11-uvloop", "uvicorn-httptools-asyncio", "uvicorn-httptools-uvloop"]
HYPERCORN = ["hypercorn-asyncio", "hypercorn-trio"]
SERVERS = UVICORN + HYPERCORN


class Address(NamedTuple):
    """Where a server listens."""

    name: str
    port: int

    @property
    def http(self) -> str:
        """The base of its URLs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket(self) -> str:
        """The base of its websocket URLs."""
        return f"ws://127.0.0.1:{self.port}"


class Stopped(Exception):  # noqa: N818 - says what happened, as `queue.Empty` does
    """The server ended before it served."""


class _Service:
    """A server's thread: what it tells the thread that started it."""

    def __init__(self, run: Callable[["_Service"], None]) -> None:
        self.decided = threading.Event()
        self.serving = False
        self.stop: Callable[[], None] = lambda: None
        self._run = run
        self._thread = threading.Thread(target=self._main)
        self._thread.start()

    def ready(self) -> None:
        """The server serves."""
        self.serving = True
        self.decided.set()

    def join(self) -> None:
        """Wait until it has stopped."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "the server did not stop"

    def _main(self) -> None:
        try:
            self._run(self)
        except SystemExit:
            pass  # uvicorn's word for a failed startup
        finally:
            self.decided.set()


@contextlib.contextmanager
def serving(name: str, app: ASGIApp, **options: Any) -> Iterator[Address]:
    """Serve an application with the server of that name; on leaving, stop as the server does when it is told to.

    `options` are the server's own. Raises `Stopped` if it does not come up.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    start = _uvicorn if name.startswith("uvicorn") else _hypercorn
    service = _Service(start(name, app, listener, options))
    service.decided.wait(SECONDS)
    try:
        if not service.serving:
            raise Stopped(name)
        yield Address(name, port)
    finally:
        service.stop()
        service.join()
        listener.close()


def _uvicorn(name: str, app: ASGIApp, listener: socket.socket, options: dict[str, Any]) -> Callable[[_Service], None]:
    _, http, loop = name.split("-")
    config = uvicorn.Config(app, http=http, ws="websockets-sansio", log_config=None, **options)

    def run(service: _Service) -> None:
        server = _Uvicorn(config, service)
        service.stop = server.stop
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
            runner.run(server.serve(sockets=[listener]))

    return run


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: _Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._service.ready()

    def stop(self) -> None:
        self.should_exit = True


def _hypercorn(name: str, app: ASGIApp, listener: socket.socket, options: dict[str, Any]) -> Callable[[_Service], None]:
    config = hypercorn.Config()
    config.bind = [f"fd://{listener.dup().detach()}"]
    config.errorlog = config.accesslog = None
    for option, value in options.items():
        setattr(config, option, value)

    def on_asyncio(service: _Service) -> None:
        async def main() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            service.stop = lambda: cast("None", loop.call_soon_threadsafe(stop.set))
            service.ready()  # the socket listens: who comes too early waits
            await hypercorn.asyncio.serve(cast("Any", app), config, shutdown_trigger=stop.wait, mode="asgi")

        asyncio.run(main())

    def on_trio(service: _Service) -> None:
        async def main() -> None:
            stop = trio.Event()
            token = trio.lowlevel.current_trio_token()
            service.stop = lambda: trio.from_thread.run_sync(stop.set, trio_token=token)
            service.ready()
            await hypercorn.trio.serve(cast("Any", app), config, shutdown_trigger=stop.wait, mode="asgi")

        trio.run(main)

    return on_trio if name == "hypercorn-trio" else on_asyncio


class Stage:
    """The one application of a server that lives as long as the tests do: it plays what each test puts on."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self._app: ASGIApp | None = None

    def put_on(self, app: ASGIApp) -> None:
        """Play this from now on, and forget what was before."""
        self.began.clear()
        self.ended.clear()
        self._app = app

    def wait_for_the_end(self) -> None:
        """Wait until the application has returned or raised."""
        assert self.ended.wait(SECONDS), "the application did not end"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play."""
        if scope["type"] == "lifespan":
            kind = ""
            while kind != "lifespan.shutdown":
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
            return
        assert self._app is not None
        self.began.set()
        try:
            await self._app(scope, receive, send)
        finally:
            self.ended.set()


class Theatre(NamedTuple):
    """A running server and its stage."""

    address: Address
    stage: Stage


@contextlib.contextmanager
def theatre(name: str) -> Iterator[Theatre]:
    """Run a server with an empty stage."""
    stage = Stage()
    with serving(name, stage) as address:
        yield Theatre(address, stage)
