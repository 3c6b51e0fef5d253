"""The actor that a framework's user object names."""

import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from starlette.authentication import SimpleUser, UnauthenticatedUser

from asgi_audit import Actor, AuditMiddleware, AuditTrail, current_actor
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.testing import MemorySink
from asgi_audit.user import actor_from
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, start

UUID = uuid.UUID(int=7)


def actor(id: str, name: str | None = None) -> Actor:
    """An actor that the framework knows."""
    return Actor(id, name=name, source="framework")


@pytest.mark.parametrize(
    ("user", "found"),
    [
        (SimpleUser("ada"), actor("ada", "ada")),  # its `identity` raises NotImplementedError
        (SimpleNamespace(id=42, username="ada"), actor("42", "ada")),
        (SimpleNamespace(pk=UUID, display_name="Ada"), actor(str(UUID), "Ada")),
        (SimpleNamespace(id=None, email="ada@example.org"), actor("ada@example.org")),
        (SimpleNamespace(id="", sub="auth0|7", name="Ada"), actor("auth0|7", "Ada")),
        (SimpleNamespace(id=True, pk=0), actor("0")),
        ({"id": 42, "name": "Ada"}, actor("42", "Ada")),
        ({"sub": "7", "is_authenticated": True}, actor("7")),
        ("ada", actor("ada")),
    ],
)
def test_a_user_is_the_actor(user: object, found: Actor) -> None:
    """The id comes from the attribute or key that user objects commonly have; what is none is passed over."""
    assert actor_from(user) == found


@pytest.mark.parametrize(
    "user",
    [
        None,
        "",
        UnauthenticatedUser(),
        SimpleNamespace(id=42, is_authenticated=False),
        {"id": 42, "is_authenticated": False},
        SimpleNamespace(),
        SimpleNamespace(id=[1], pk=object()),
        object(),
        42,
    ],
)
def test_nobody_is_nobody(user: object) -> None:
    """Without a user, with one who is not authenticated, or with one who has no id, nobody is named."""
    assert actor_from(user) is None


def test_an_actor_is_the_actor() -> None:
    """An adapter, or an application, may put one there; one that brings its own source keeps it."""
    assert actor_from(Actor("7", type="key")) == Actor("7", type="key", source="framework")
    assert actor_from(Actor("7", source="badge")) == Actor("7", source="badge")


class Hostile:
    """A user object that answers nothing."""

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]  # what a lazy object looks up when it is asked
        raise RuntimeError("you cannot do this here")

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError("you cannot do this here")


class HostileText(str):
    """An id that can't be turned into text."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("you cannot do this here")

    __eq__ = __ne__ = __hash__ = __str__  # type: ignore[assignment]


class HostileMapping(dict[str, Any]):
    """A mapping that holds nothing."""

    def get(self, key: str, default: object = None) -> NoReturn:
        raise KeyError(key)


@pytest.mark.parametrize(
    "make",
    [Hostile, lambda: SimpleNamespace(id=HostileText("x")), lambda: HostileMapping(id=1)],
    ids=["attributes", "text", "mapping"],
)
def test_a_user_that_refuses_to_be_read_is_passed_over(make: Callable[[], object]) -> None:
    """Whatever a user object does when it is asked, neither the request nor its record suffers."""
    sink = MemorySink()
    seen: list[Actor | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["user"] = make()
        seen.append(current_actor())
        await send(start(200))
        await send(body())

    with AuditTrail(sink) as trail:
        conversation = converse("asyncio", AuditMiddleware(app, trail), http_scope(), Conversation(*request()))
    assert conversation.raised is None
    assert seen == [None]
    assert [(record.outcome, record.actor) for record in sink.records] == [("success", None)]
