"""The route's template, and the path parameters, from what frameworks leave in the scope."""

import uuid
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from asgi_audit import AuditMiddleware, AuditTrail, Record
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.routing import params_of, route_of
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, start


def record_of(app: ASGIApp, path: str, **scope: Any) -> Record:
    """The record of a POST."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        converse("asyncio", AuditMiddleware(app, trail), http_scope("POST", path, **scope), Conversation(*request()))
    (record,) = sink.records
    return record


async def endpoint(request: Request) -> Response:
    """Answer."""
    return JSONResponse({})


def test_starlette_names_its_route() -> None:
    """The template is the action's; the parameters are on record as text, also those that Starlette has converted."""
    key = uuid.UUID(int=7)
    app = Starlette(routes=[Route("/users/{user_id:int}/keys/{key:uuid}", endpoint, methods=["POST"])])
    record = record_of(app, f"/users/42/keys/{key}")
    assert record.action == "POST /users/{user_id}/keys/{key}"
    assert record.request is not None
    assert record.request.params == {"user_id": "42", "key": str(key)}


def test_a_request_without_a_route_has_its_method_as_action() -> None:
    """A raw path may name a person, so it never becomes an action."""
    record = record_of(Starlette(), "/people/ada")
    assert (record.action, record.status, record.request and record.request.params) == ("POST", 404, None)


def test_a_mounted_middleware_records_what_it_wraps() -> None:
    """An application that is mounted under a path is recorded as any, with the whole template."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        inner = AuditMiddleware(Starlette(routes=[Route("/things/{thing}", endpoint, methods=["POST"])]), trail)
        app = Starlette(routes=[Mount("/sub", inner), Route("/other", endpoint, methods=["POST"])])
        for path in ("/sub/things/7", "/other"):
            converse("asyncio", app, http_scope("POST", path), Conversation(*request()))
    assert [(r.action, r.request and r.request.path) for r in sink.records] == [
        ("POST /sub/things/{thing}", "/sub/things/7")
    ]


def test_fastapi_names_the_whole_route() -> None:
    """The template of a route in an included router has the prefixes of those that include it."""
    inner, outer, app = APIRouter(prefix="/things"), APIRouter(prefix="/v1"), FastAPI()

    @inner.post("/{thing}")
    async def thing(thing: int) -> dict[str, int]:
        return {}

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    record = record_of(app, "/api/v1/things/7")
    assert record.action == "POST /api/v1/things/{thing}"
    assert record.request is not None
    assert record.request.params == {"thing": "7"}


def test_litestar_leaves_its_template_in_the_scope() -> None:
    """Litestar's key is taken first."""
    assert route_of({"path_template": "/users/{id}", "route": SimpleNamespace(path="/other")}) == "/users/{id}"


class Hostile:
    """A route that answers nothing."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError("you cannot do this here")


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"path_template": 7},
        {"route": object()},
        {"route": SimpleNamespace(path=b"/x")},
        {"fastapi": "no dictionary"},
        {"fastapi": {}},
        {"fastapi": {"effective_route_context": object()}},
    ],
    ids=["none", "number", "object", "bytes", "text", "empty", "no context"],
)
def test_what_is_not_as_expected_is_passed_over(scope: Scope) -> None:
    """None of these keys is promised to us; whatever is in them, the request has a record, if without a route."""

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        inner.update(scope)
        await send(start(200))
        await send(body())

    assert route_of(scope) is None
    assert record_of(app, "/things").action == "POST"


@pytest.mark.parametrize("key", ["route", "context"])
def test_a_route_that_refuses_to_be_read_is_passed_over(key: str) -> None:
    """Whatever another framework's object does when it is asked, the request has its record."""

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        inner.update({"route": Hostile()} if key == "route" else {"fastapi": {"effective_route_context": Hostile()}})
        await send(start(200))
        await send(body())

    assert record_of(app, "/things").action == "POST"


@pytest.mark.parametrize("params", [None, {}, [("id", "7")], "id=7", 7])
def test_only_a_dictionary_holds_parameters(params: object) -> None:
    """Nothing else is what frameworks leave under that key."""
    assert params_of({"path_params": params}) is None
