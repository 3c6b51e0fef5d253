"""The same small application in each framework: `POST /orders/{number}` answers at once."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final

import django
from blacksheep import Application
from blacksheep import Response as BlackSheepResponse
from blacksheep import text as blacksheep_text
from blacksheep.server.routing import Router
from django.conf import settings
from django.core.asgi import get_asgi_application
from falcon.asgi import App
from falcon.asgi import Request as FalconRequest
from falcon.asgi import Response as FalconResponse
from fastapi import FastAPI
from litestar import Litestar, post
from litestar.params import FromPath
from quart import Quart
from sanic import HTTPResponse, Sanic
from sanic import Request as SanicRequest
from sanic import text as sanic_text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

_numbers = itertools.count()


async def _starlette() -> Any:
    async def order(_: Request) -> PlainTextResponse:
        return PlainTextResponse("{}")

    return Starlette(routes=[Route("/orders/{number}", order, methods=["POST"])])


async def _fastapi() -> Any:
    app = FastAPI()

    @app.post("/orders/{number}")
    async def order(number: str) -> dict[str, str]:
        return {}

    return app


async def _litestar() -> Any:
    @post("/orders/{number:str}")
    async def order(number: FromPath[str]) -> dict[str, str]:
        return {}

    return Litestar([order], logging_config=None)


async def _quart() -> Any:
    app = Quart("benchmark")

    @app.post("/orders/<number>")
    async def order(number: str) -> str:
        return "{}"

    return app


async def _django() -> Any:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="benchmarks.django_urls", SECRET_KEY="secret")  # noqa: S106
        django.setup()
    return get_asgi_application()


async def _falcon() -> Any:
    class Order:
        """POST /orders/{number}."""

        async def on_post(self, _: FalconRequest, resp: FalconResponse, number: str) -> None:
            resp.text = "{}"

    app: Any = App()
    app.add_route("/orders/{number}", Order())
    return app


async def _blacksheep() -> Any:
    app = Application(router=Router())

    @app.router.post("/orders/{number}")
    async def order(number: str) -> BlackSheepResponse:
        return blacksheep_text("{}")

    return app


async def _sanic() -> Any:
    app: Any = Sanic(f"benchmark{next(_numbers)}", configure_logging=False)
    app.config.TOUCHUP = False

    @app.post("/orders/<number:str>")  # type: ignore[untyped-decorator]
    async def order(_: SanicRequest, number: str) -> HTTPResponse:
        return sanic_text("{}")

    app.asgi = True
    return app


MAKERS: Final[dict[str, Callable[[], Awaitable[Any]]]] = {
    "starlette": _starlette,
    "fastapi": _fastapi,
    "litestar": _litestar,
    "quart": _quart,
    "django": _django,
    "falcon": _falcon,
    "blacksheep": _blacksheep,
    "sanic": _sanic,
}
