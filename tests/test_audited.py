"""Declared actions: what is on record, and that frameworks see the same endpoint."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asgi_audit import AuditMiddleware, AuditTrail, Record, Target, acting_as, audited
from asgi_audit.context import current, outside
from asgi_audit.draft import Draft
from asgi_audit.errors import ConfigurationError
from asgi_audit.testing import MemorySink
from tests.notebook import Notebook


def invoice(number: str) -> Target:
    """The invoice of that number."""
    return Target(number, type="invoice")


def draft_of(call: Callable[[], object]) -> Draft:
    """What a request knows after the call."""
    draft = Draft(Notebook(), {"type": "http"})
    token = current.set(draft)
    try:
        call()
    finally:
        current.reset(token)
    return draft


def test_action_and_target_are_on_record_from_the_call_on() -> None:
    """Also if the endpoint raises: what it tried to do is known."""

    @audited("invoice.approve", target=invoice)
    def approve(number: str, cents: int = 0) -> None:
        raise ValueError("no")

    def call() -> None:
        with pytest.raises(ValueError, match="no"):
            approve("7", cents=1)

    notes = draft_of(call).notes
    assert notes is not None
    assert (notes.action, notes.targets) == ("invoice.approve", [Target("7", type="invoice")])


def test_the_target_gets_what_it_names() -> None:
    """By name, however the framework passes it, with defaults; from methods as well."""

    class Invoices:
        @audited("invoice.move", target=lambda to, number: [Target(number), Target(to)])
        def move(self, number: str, *, to: str = "archive") -> str:
            return f"{number} to {to}"

    def call() -> None:
        assert Invoices().move("7") == "7 to archive"

    notes = draft_of(call).notes
    assert notes is not None
    assert notes.targets == [Target("7"), Target("archive")]


def test_within_acting_as_it_is_the_request_s() -> None:
    """A block in which somebody else acts is still in the request."""

    @audited("invoice.approve")
    def approve() -> None:
        """Do it."""

    def call() -> None:
        with acting_as("job"):
            approve()

    notes = draft_of(call).notes
    assert notes is not None
    assert notes.action == "invoice.approve"


def test_outside_a_request_it_is_the_function_itself() -> None:
    """A script that calls an endpoint does no wrong."""

    @audited("invoice.approve", target=invoice)
    def approve(number: str) -> str:
        return number

    before = outside.counts()
    assert approve("7") == "7"
    with acting_as("job"):
        assert approve("8") == "8"
    assert outside.counts() == before


def test_a_target_that_can_t_be_told_costs_nothing() -> None:
    """The endpoint does its work, the action is on record, and the failure is counted."""

    @audited("invoice.approve", target=lambda number: Target(number.upper()))
    def approve(number: int) -> int:
        return number

    kind = "the target of an audited endpoint could not be told"
    before = outside.counts().get(kind, 0)

    def call() -> None:
        assert approve(7) == 7

    notes = draft_of(call).notes
    assert notes is not None
    assert (notes.action, notes.targets) == ("invoice.approve", [])
    assert outside.counts()[kind] == before + 1


def test_arguments_that_do_not_fit_are_the_endpoint_s_own_error() -> None:
    """The same TypeError as without the decorator."""

    @audited("invoice.approve", target=invoice)
    def approve(number: str) -> str:
        return number

    def call() -> None:
        with pytest.raises(TypeError, match=r"approve\(\) missing 1 required positional argument: 'number'"):
            approve()  # type: ignore[call-arg]

    draft_of(call)


def plain(a: int, b: str = "b", *rest: int, c: float = 1.5, **more: int) -> tuple[Any, ...]:
    """Everything a signature may have."""
    if a == 0:
        raise ZeroDivisionError
    return a, b, rest, c, more


async def native(a: int, b: str = "b", *rest: int, c: float = 1.5, **more: int) -> tuple[Any, ...]:
    """The same, to be awaited."""
    return plain(a, b, *rest, c=c, **more)


def result(call: Callable[[], Any]) -> object:
    """What comes out."""
    try:
        found = call()
        return asyncio.run(found) if inspect.iscoroutine(found) else found
    except ZeroDivisionError as error:
        return type(error)


@given(
    st.tuples(st.integers(0, 2)) | st.tuples(st.integers(0, 2), st.text(), st.integers()),
    st.dictionaries(st.sampled_from("cde"), st.integers()),
)
def test_it_is_the_same_function(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Law: same result or exception, same signature, name and kind; only the mark is new."""
    for bare in (plain, native):
        wrapped = audited("anything", target=lambda a: Target(str(a)))(bare)
        seen: list[object] = []
        draft_of(lambda wrapped=wrapped, seen=seen: seen.append(result(lambda: wrapped(*args, **kwargs))))  # type: ignore[misc]
        assert seen == [result(lambda bare=bare: bare(*args, **kwargs))]  # type: ignore[misc]
        assert inspect.signature(wrapped) == inspect.signature(bare)
        assert inspect.iscoroutinefunction(wrapped) == inspect.iscoroutinefunction(bare)
        assert (wrapped.__name__, wrapped.__doc__) == (bare.__name__, bare.__doc__)
        assert vars(wrapped)["__audited__"] == "anything"


class Cents(BaseModel):
    """A body."""

    cents: int


def signed_in() -> str:
    """A dependency."""
    return "ada"


@pytest.mark.parametrize("native", [False, True], ids=["thread", "loop"])
def test_fastapi_injects_as_before(native: bool) -> None:
    """Path, query, body and dependencies reach the endpoint, in a thread or not."""
    app = FastAPI()

    def approve(
        number: str, body: Cents, user: Annotated[str, Depends(signed_in)], page: Annotated[int, Query(ge=1)] = 1
    ) -> dict[str, object]:
        return {"number": number, "cents": body.cents, "user": user, "page": page}

    async def approve_natively(
        number: str, body: Cents, user: Annotated[str, Depends(signed_in)], page: Annotated[int, Query(ge=1)] = 1
    ) -> dict[str, object]:
        return approve(number, body, user, page)

    decorate = audited("invoice.approve", target=invoice)
    app.post("/invoices/{number}")(decorate(approve_natively) if native else decorate(approve))
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        client = TestClient(AuditMiddleware(app, trail))
        answer = client.post("/invoices/7?page=2", json={"cents": 5})
        assert answer.json() == {"number": "7", "cents": 5, "user": "ada", "page": 2}
        assert client.post("/invoices/7?page=0", json={"cents": 5}).status_code == 422
    first, second = sink.records
    assert told(first) == ("invoice.approve", [Target("7", type="invoice")])
    assert told(second) == ("POST /invoices/{number}", None)


def told(record: Record) -> tuple[str, list[Target] | None]:
    """What the application said."""
    return record.action, record.targets


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: audited(""), "action"),
        (lambda: audited(test_it_is_the_same_function), "action"),  # type: ignore[arg-type]  # without parentheses
        (lambda: audited("a", target="invoice"), "target"),  # type: ignore[arg-type]
        (lambda: audited("a", target=native), "target"),  # type: ignore[arg-type]
        (lambda: audited("a", target=lambda *args: None), "target"),
        (lambda: audited("a", target=lambda number: None)(lambda other: None), "target"),
        (lambda: audited("a")(Cents), "endpoint"),
        (lambda: audited("a")(7), "endpoint"),  # type: ignore[type-var]
    ],
)
def test_a_slip_is_told_where_it_is_made(make: Callable[[], object], argument: str) -> None:
    """When the module is imported, not at the first request."""
    with pytest.raises(ConfigurationError, match=f"{argument}="):
        make()
