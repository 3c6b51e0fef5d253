from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

import msgspec
import pytest

from asgi_audit.cli.card import print_card
from asgi_audit.cli.output import PlainOutput
from asgi_audit.record import (
    Actor,
    Body,
    Change,
    Error,
    Kind,
    Part,
    Record,
    Request,
    Response,
    Target,
    Traffic,
    WebSocket,
)
from tests.cli.sample import a_record

FULL = a_record(
    actor=Actor("42", type="user", name="Ada", source="set_actor", on_behalf_of=Actor("7", type="customer", name="Bo")),
    targets=[Target("2026-001", type="invoice", name="March"), Target("9", type="customer")],
    request=Request(
        path="/invoices/2026-001",
        method="POST",
        route="/invoices/{id}",
        params={"id": "2026-001"},
        query="dry=1",
        scheme="https",
        host="example.com",
        http_version="2",
        id="abc-1",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        size=51,
        headers=[("accept", "*/*"), ("accept", "text/html")],
        body=Body(
            size=50_000, type="multipart/form-data", parts=[Part(name="file", filename="x.pdf", size=4_711)], cut=True
        ),
    ),
    response=Response(status=403, size=13, headers=[("x-a", "b")], body=Body(size=13, text='{"ok": false}')),
    websocket=WebSocket(code=1001, received=Traffic(messages=3, bytes=14), sent=Traffic(messages=5, bytes=92)),
    error=Error(type="ValueError", message="no such thing"),
    changes=[Change(operation="update", type="invoice", id="2026-001", before={"cents": 1999}, after={"cents": 2999})],
    data={"ticket": "OPS-1", "tags": ["a", "b"], "none": None, "empty": {}, "yes": True},
    reason="four eyes",
    parent="01a20924-a4b5-7989-a6e3-121ef7ae1b28",
    tenant="acme",
    service="billing",
)


def leaves(value: Any) -> Iterator[str]:
    """Every value in it, as its JSON would have it, texts without quotes."""
    if isinstance(value, dict) and value:
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            yield from leaves(inner)
    else:
        yield value if isinstance(value, str) else msgspec.json.encode(value).decode()


def card(record: Record, capsys: pytest.CaptureFixture[str], width: int | None = None) -> str:
    """What is printed."""
    print_card(record, PlainOutput(width))
    return capsys.readouterr().out


def test_everything_that_the_record_holds_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """No fact is left out but the version, the salts, and what the headline says in its own words."""
    text = card(FULL, capsys)
    fields = msgspec.to_builtins(FULL)
    for name in ("v", "salts", "time", "duration_us"):
        fields.pop(name, None)
    assert [leaf for leaf in leaves(fields) if leaf not in text] == []
    assert text.startswith("DELETE /invoices/{id}  denied 1001\n2026-11-23 15:30:12.123456 UTC, took 1.2 ms\n\nwho\n")


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("actor", "42"),
        ("actor name", "Ada"),
        ("known by", "set_actor"),
        ("on behalf of", "7"),
        ("on behalf of type", "customer"),
        ("address", "192.0.2.1"),
        ("target 2", "9"),
        ("data tags 1", "a"),
        ("header accept", "text/html"),
        ("request id", "abc-1"),
        ("body part name", "file"),
        ("close code", "1001"),
        ("received messages", "3"),
        ("error", "ValueError"),
    ],
)
def test_labels_say_where_a_fact_stands(label: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, not in the names of fields."""
    assert f"\n  {label:<18}  {value}\n" in card(FULL, capsys)


def test_a_long_value_goes_on_below_its_beginning_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets it in one line; a terminal of hardly any width is left to wrap by itself."""
    record = a_record(reason="word " * 40 + "end")
    assert "word " * 40 + "end" in card(record, capsys)
    assert "word " * 40 + "end" in card(record, capsys, width=30)
    lines = card(record, capsys, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert [line for line in lines if "word" in line][1].startswith(" " * 22 + "word")


def test_a_record_of_the_trail_itself_has_fewer_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """A group without facts has no title, an ending that nobody named is not shown."""
    record = msgspec.structs.replace(
        a_record(kind=Kind.OPEN, action="open", outcome=None, duration_us=None),
        actor=None,
        source=None,
        targets=None,
        request=None,
        response=None,
    )
    lines = card(record, capsys).splitlines()
    assert lines[:4] == ["open  open", "2026-11-23 15:30:12.123456 UTC", "", "record"]


def test_times_can_be_those_of_another_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """The zone is named beside them."""
    print_card(a_record(), PlainOutput(None), timezone(timedelta(hours=1), "CET"))
    assert "2026-11-23 16:30:12.123456 CET" in capsys.readouterr().out


def test_data_named_headers_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the headers of a request or a response are pairs."""
    text = card(a_record(data={"headers": {"x-a": "b"}, "more": {"headers": ["c"]}}), capsys)
    assert f"\n  {'data headers x-a':<18}  b\n" in text
    assert f"\n  {'data more headers':<18}  c\n" in text
