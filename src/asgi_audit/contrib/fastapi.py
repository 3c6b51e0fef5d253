"""FastAPI: as Starlette, of which its applications are."""

from asgi_audit.contrib.starlette import install, routes

try:
    import fastapi as fastapi
except ImportError as error:
    raise ImportError("asgi_audit.contrib.fastapi needs FastAPI: pip install 'fastapi>=0.115'") from error

__all__ = ["install", "routes"]
