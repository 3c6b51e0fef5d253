"""Whole templates of routes, however deep in mounts, hosts, sub-applications and included routers they are."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router

from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.mounts import template_of
from tests.asgi.conversation import Conversation, converse, http_scope, request, websocket_scope


async def endpoint(request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("done")


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that no framework knows."""
    await PlainTextResponse("done")(scope, receive, send)


class Resource(HTTPEndpoint):
    """An endpoint that is a class."""

    async def post(self, request: Request) -> Response:
        """Answer."""
        return PlainTextResponse("done")


def routers() -> tuple[APIRouter, APIRouter]:
    """A router that is included in another one, and that one."""
    inner, outer = APIRouter(prefix="/inner/{kind}"), APIRouter(prefix="/outer")

    @inner.post("/things/{thing}")
    def thing(kind: str, thing: str) -> None:
        """Answer."""

    @inner.websocket("/talk/{thing}")
    async def talk(kind: str, thing: str, websocket: WebSocket) -> None:
        await websocket.close()

    outer.include_router(inner, prefix="/middle")
    return inner, outer


inner_app = Starlette(
    routes=[
        Route("/things/{thing:int}", endpoint, methods=["POST"]),
        Route("/resources/{resource}", Resource),
        Mount("/deep/{d}", routes=[Route("/leaf", endpoint), Route("/leaf/{rest:path}", endpoint)]),
    ]
)
fast_inner = FastAPI()
_, ROUTER = routers()
fast_inner.include_router(ROUTER, prefix="/v1")
fast_inner.include_router(ROUTER, prefix="/v2")
fast = FastAPI()
_, OTHER = routers()
OTHER.mount("/mounted/{m}", inner_app)
fast.include_router(OTHER, prefix="/api")
fast.mount("/tenants/{tenant}", fast_inner)
fast.mount("/raw", raw)
fast.mount("/starlette", inner_app)
layered = Mount("/layered", app=inner_app, middleware=[Middleware(GZipMiddleware)])
starlette = Starlette(
    routes=[
        Mount("/tenants/{tenant}", app=inner_app),
        Mount("/again", app=GZipMiddleware(inner_app)),
        layered,
        Mount("/raw/{x}", app=raw),
        Host("api.example", app=Router([Route("/hosted/{q}", endpoint)])),
        Host("deep.example", app=Router([Mount("/m/{n}", routes=[Route("/hosted/{q}", endpoint)])])),
        Mount("/fast", app=fast_inner),
        Route("/", endpoint, methods=["POST"]),
        Mount("", routes=[Route("/flat/{a}", endpoint), Mount("/bump/{b}", routes=[Route("/{c}", endpoint)])]),
    ]
)

STARLETTE = [
    ("/tenants/acme/things/3", "/tenants/{tenant}/things/{thing}"),
    ("/tenants/acme/resources/3", "/tenants/{tenant}/resources/{resource}"),
    ("/again/things/3", "/again/things/{thing}"),
    ("/layered/things/3", "/layered/things/{thing}"),
    ("/tenants/acme/deep/D/leaf", "/tenants/{tenant}/deep/{d}/leaf"),
    ("/tenants/acme/deep/D/leaf/x/y", "/tenants/{tenant}/deep/{d}/leaf/{rest}"),
    ("/raw/7/anything", "/raw/{x}/{path}"),
    ("/fast/v1/outer/middle/inner/k/things/t", "/fast/v1/outer/middle/inner/{kind}/things/{thing}"),
    ("/", "/"),
    ("/flat/1", "/flat/{a}"),
    ("/bump/1/2", "/bump/{b}/{c}"),
    ("/tenants/acme/nowhere", "/tenants/{tenant}/{path}"),
]
FASTAPI = [
    ("/api/outer/middle/inner/k/things/t", "/api/outer/middle/inner/{kind}/things/{thing}"),
    ("/tenants/acme/v2/outer/middle/inner/k/things/t", "/tenants/{tenant}/v2/outer/middle/inner/{kind}/things/{thing}"),
    ("/api/mounted/M/things/3", "/api/mounted/{m}/things/{thing}"),
    ("/raw/anything", "/raw/{path}"),
    ("/starlette/deep/D/leaf", "/starlette/deep/{d}/leaf"),
    ("/nowhere", None),
]


def routed(app: Any, scope: Scope) -> str | None:
    """What the scope shows once the application has run."""
    converse("asyncio", app, scope, Conversation(*request()))
    return template_of(scope)


@pytest.mark.parametrize("root", ["", "/behind/a/proxy"])
@pytest.mark.parametrize(
    ("app", "path", "template"),
    [(starlette, *case) for case in STARLETTE] + [(fast, *case) for case in FASTAPI],
    ids=[f"starlette {path}" for path, _ in STARLETTE] + [f"fastapi {path}" for path, _ in FASTAPI],
)
def test_the_template_is_that_of_the_whole_way(app: ASGIApp, root: str, path: str, template: str | None) -> None:
    """Each mount, sub-application and router on the way adds its own part; what the server took away adds none."""
    assert routed(app, http_scope("POST", root + path, root_path=root)) == template


@pytest.mark.parametrize(
    ("host", "path", "template"),
    [("api.example", "/hosted/1", "/hosted/{q}"), ("deep.example", "/m/1/hosted/2", "/m/{n}/hosted/{q}")],
)
def test_a_host_takes_nothing_from_the_path(host: str, path: str, template: str) -> None:
    """Its routes are told as if they were the application's own."""
    assert routed(starlette, http_scope("POST", path, headers=[(b"host", host.encode())])) == template


def test_a_websocket_in_an_included_router_is_known_whole() -> None:
    """FastAPI keeps its template in another place than those of other routes."""
    scope = websocket_scope(path="/api/outer/middle/inner/k/talk/t")
    converse("asyncio", fast, scope, Conversation({"type": "websocket.connect"}))
    assert template_of(scope) == "/api/outer/middle/inner/{kind}/talk/{thing}"


def older(scope: Scope) -> Scope:
    """The scope as Starlette left it before 1.7, without the route."""
    return {key: value for key, value in scope.items() if key != "route"}


@pytest.mark.parametrize(("path", "template"), [case for case in STARLETTE if case[0] != "/tenants/acme/nowhere"])
def test_without_the_route_it_is_found_by_its_endpoint(path: str, template: str) -> None:
    """Older versions of Starlette tell the endpoint alone; one that several routes have is told apart by the path."""
    scope = http_scope("POST", path)
    converse("asyncio", starlette, scope, Conversation(*request()))
    scope.pop("fastapi", None)
    if "fast" not in path:
        assert template_of(older(scope)) == template


def test_an_unknown_way_leaves_the_leaf_alone() -> None:
    """Where the mounts are not found again, what the leaf says of itself is better than nothing."""
    scope = http_scope("POST", "/tenants/acme/things/3")
    converse("asyncio", starlette, scope, Conversation(*request()))
    assert template_of({**scope, "root_path": "/elsewhere"}) == "/things/{thing}"
    assert template_of({**scope, "router": None}) == "/things/{thing}"
    assert template_of(older({**scope, "root_path": "/elsewhere"})) is None


class Loop:
    """A layer around itself."""

    path = "/loop"

    def __init__(self) -> None:
        self.app = self
        self.path_format = "/loop/{path}"
        self.path_regex = Mount("/loop", app=raw).path_regex


def test_layers_that_lead_nowhere_end() -> None:
    """Whoever wraps an application in itself gets no endless search."""
    router = Router([])
    router.routes.append(Loop())  # type: ignore[arg-type]
    assert (
        template_of({"router": router, "root_path": "/loop", "app_root_path": "", "path": "/loop/x"}) == "/loop/{path}"
    )
