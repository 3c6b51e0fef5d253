"""The demo: a small application on a real server, a story that happens to it, and the trail that this leaves."""

from asgi_audit.errors import MissingDependencyError

try:
    import httpx as _httpx  # noqa: F401 - the story's client
    import uvicorn as _uvicorn  # noqa: F401
    import websockets as _websockets  # noqa: F401
except ImportError:
    raise MissingDependencyError("the demo", "demo") from None

from asgi_audit.demo.play import run

__all__ = ["run"]
