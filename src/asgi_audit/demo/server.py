"""A real server for the demo: uvicorn on a free port of the loopback interface."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from asgi_audit._types import AnyASGIApp


@contextmanager
def serve(app: AnyASGIApp) -> Iterator[str]:
    """Serve the application while the block runs; gives its address, `127.0.0.1:port`.

    The socket listens before the server has started: what connects early waits in its queue.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The crash in the story is to be seen in the trail, not as a traceback of the server's.
        config = uvicorn.Config(app, log_config=None, log_level=logging.CRITICAL, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="asgi-audit-demo")
        thread.start()
        try:
            host, port = listener.getsockname()
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()
