"""Falcon: it leaves nothing in the scope, and runs sync code in threads without the request's context."""

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
from starlette.testclient import TestClient

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Target, annotate, current_actor, set_actor
from asgi_audit.context import outside
from tests.frameworks.conftest import Recorded


def served(on_post: Callable[..., Any], trail: AuditTrail) -> TestClient:
    """An application with one resource under the middleware."""
    resource = type("Resource", (), {"on_post": on_post})()
    app = falcon.asgi.App()
    app.add_route("/things/{number}", resource)
    return TestClient(AuditMiddleware(app, trail))


def test_an_async_responder_is_heard(trail: AuditTrail, recorded: Recorded) -> None:
    """It runs in the request's own task. Falcon shows no route, so the action is the method alone."""

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        set_actor("42")
        annotate(target=Target(number, type="thing"))
        assert current_actor() == Actor("42", source="set_actor")

    served(on_post, trail).post("/things/7")
    (record,) = recorded()
    assert (record.action, record.status) == ("POST", 200)
    assert (record.actor, record.targets) == (Actor("42", source="set_actor"), [Target("7", type="thing")])


def test_sync_code_is_heard_through_the_scope(trail: AuditTrail, recorded: Recorded) -> None:
    """`falcon.sync_to_async` copies no context into its thread; the draft in the scope is the same object."""

    def work(req: falcon.asgi.Request, number: str) -> None:
        req.scope["asgi_audit"].set_actor("42", type="user")
        req.scope["asgi_audit"].annotate(action="thing.rename", target=Target(number, type="thing"))

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        await falcon.sync_to_async(work, req, number)

    served(on_post, trail).post("/things/7")
    (record,) = recorded()
    assert record.action == "thing.rename"
    assert record.actor == Actor("42", type="user", source="set_actor")
    assert record.targets == [Target("7", type="thing")]


def test_verbs_in_sync_code_raise_nothing_and_are_counted(trail: AuditTrail, recorded: Recorded) -> None:
    """They can't know their request; the application goes on, and `stats()` counts the calls."""

    def work() -> None:
        set_actor("42")
        annotate(reason="typo")
        assert current_actor() is None

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        await falcon.sync_to_async(work)

    before = sum(outside.counts().values())
    assert served(on_post, trail).post("/things/7").status_code == 200
    (record,) = recorded()
    assert (record.actor, record.reason) == (None, None)
    assert sum(outside.counts().values()) == before + 2
    assert any("called outside a request" in failure for failure in trail.stats().failures)


def test_a_responder_that_raises_is_a_failed_request(trail: AuditTrail, recorded: Recorded) -> None:
    """Falcon answers 500 itself and keeps the exception: the status is all that can be known."""

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        set_actor("42")
        raise falcon.HTTPForbidden

    assert served(on_post, trail).post("/things/7").status_code == 403
    (record,) = recorded()
    assert (record.status, record.outcome, record.actor) == (403, "denied", Actor("42", source="set_actor"))
