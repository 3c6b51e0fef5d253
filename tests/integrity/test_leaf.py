"""What is committed to, and what can be erased."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from asgi_audit.integrity import leaf
from asgi_audit.record import (
    Actor,
    Body,
    Change,
    Error,
    Kind,
    Outcome,
    Record,
    Request,
    Response,
    Source,
    Target,
    Traffic,
    WebSocket,
)
from tests.samples import record
from tests.strategies import records

_SALTS = bytes(range(48))


def _taken_apart(it: Record) -> tuple[bytes, bytes, bytes, bytes]:
    parts = leaf.parts(it)
    return leaf.core(it, leaf.commit(_SALTS, *parts)), *parts


@given(records())
def test_a_record_is_its_core_and_its_parts(it: Record) -> None:
    """Taking a record apart and putting it together gives the same record, but for the salts."""
    assert leaf.assemble(*_taken_apart(it)) == msgspec.structs.replace(it, salts=None)


@given(records())
def test_the_bytes_have_sorted_keys(it: Record) -> None:
    """Core and parts are JSON objects whose keys are sorted at every depth, so that anybody can make the same bytes."""
    for stored in _taken_apart(it):
        value = json.loads(stored)
        assert list(_keys_in_order(value)) == list(_keys_in_order(_sorted(value)))


def _keys_in_order(value: Any) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys_in_order(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in_order(inner)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        # msgspec sorts by the bytes of UTF-8, which is the order of code points, as Python's is.
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value


def test_a_commitment_is_an_hmac_of_a_label_and_the_stored_bytes() -> None:
    """Each part is committed to by HMAC-SHA256 under a salt of its own, as any language's library computes it."""
    actor, target, detail = parts = leaf.parts(record())
    made = leaf.commit(_SALTS, *parts)
    expected = {
        name: hmac.new(salt, b"asgi-audit/1 part " + name.encode() + b"\n" + part, hashlib.sha256).hexdigest()
        for name, salt, part in zip(
            leaf.PARTS, (_SALTS[:16], _SALTS[16:32], _SALTS[32:]), (actor, target, detail), strict=True
        )
    }
    assert {"actor": made.actor, "target": made.target, "detail": made.detail} == expected


def test_an_erased_part_takes_its_fields_along() -> None:
    """Without the actor's part nobody acted from anywhere; the rest of the record stays."""
    it = record()
    core, _, target, detail = _taken_apart(it)
    assert leaf.assemble(core, None, target, detail) == msgspec.structs.replace(it, actor=None, source=None, salts=None)


def test_a_core_alone_still_tells_what_was_done() -> None:
    """With every part erased, method, route, status and outcome are left."""
    it = record()
    core, *_ = _taken_apart(it)
    left = leaf.assemble(core, None, None, None)
    assert left.request == Request(path="", method="POST", route="/users/{id}")
    assert left.response == Response(status=200)
    assert (left.actor, left.source, left.targets, left.tenant) == (None, None, None, None)
    assert (left.id, left.seq, left.action, left.outcome) == (it.id, it.seq, it.action, it.outcome)


def test_a_core_alone_invents_no_request() -> None:
    """An event without a request has none after erasure either."""
    core, *_ = _taken_apart(record(kind=Kind.EVENT, request=None, response=None))
    left = leaf.assemble(core, None, None, None)
    assert (left.request, left.response) == (None, None)


def _full(mark: str) -> Record:
    """A record in which every text is marked with the name of its field."""
    return Record(
        v=1,
        id=f"id {mark}",
        kind=Kind.HTTP,
        time=datetime(2026, 11, 23, tzinfo=UTC),
        action=f"action {mark}",
        writer=f"writer {mark}",
        seq=4,
        duration_us=5,
        outcome=Outcome.SUCCESS,
        actor=Actor(
            f"actor.id {mark}",
            type=f"actor.type {mark}",
            name=f"actor.name {mark}",
            source=f"actor.source {mark}",
            on_behalf_of=Actor(f"behalf {mark}"),
        ),
        targets=[Target(f"target.id {mark}", type=f"target.type {mark}", name=f"target.name {mark}")],
        source=Source(ip=f"ip {mark}", ip_source=f"ip_source {mark}", port=61234, user_agent=f"agent {mark}"),
        request=Request(
            path=f"path {mark}",
            method=f"method {mark}",
            route=f"route {mark}",
            params={f"param {mark}": f"value {mark}"},
            query=f"query {mark}",
            scheme=f"scheme {mark}",
            host=f"host {mark}",
            http_version=f"version {mark}",
            id=f"request.id {mark}",
            trace_id=f"trace {mark}",
            size=61235,
            headers=[(f"header {mark}", f"header value {mark}")],
            body=Body(size=61236, text=f"body {mark}"),
        ),
        response=Response(
            status=201,
            size=61237,
            headers=[(f"header {mark}", f"header value {mark}")],
            body=Body(size=61238, text=f"body {mark}"),
        ),
        websocket=WebSocket(received=Traffic(messages=61239, bytes=61240), sent=Traffic(messages=61241, bytes=61242)),
        error=Error(type=f"error {mark}", message=f"message {mark}"),
        changes=[Change(operation="update", type=f"row {mark}", id=f"row id {mark}")],
        data={f"key {mark}": f"data {mark}"},
        reason=f"reason {mark}",
        parent=f"parent {mark}",
        tenant=f"tenant {mark}",
        service=f"service {mark}",
        salts="00" * 48,
    )


def test_the_core_names_no_person() -> None:
    """Of everything that a record can say, the core repeats only the fields that identify no one."""
    it = _full("MARK")
    assert all(getattr(it, field) is not None for field in it.__struct_fields__)
    core = _taken_apart(it)[0]
    texts = {value for value in json.loads(core).values() if isinstance(value, str) and "MARK" in value}
    assert texts == {f"{name} MARK" for name in ("id", "action", "writer", "method", "route", "service", "parent")}
    assert core.count(b"MARK") == len(texts)
    assert b"6123" not in core
    assert b"6124" not in core


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        (0, ("actor.id", "agent", "ip")),
        (1, ("target.id", "tenant")),
        (2, ("path", "query", "host", "body", "reason", "data")),
    ],
)
def test_each_part_holds_its_own(part: int, fields: tuple[str, ...]) -> None:
    """The actor's part holds who and from where, the target's what and for whom, the detail everything else."""
    parts = leaf.parts(_full("MARK"))
    for field in fields:
        mark = f'"{field} MARK"'.encode()
        assert [index for index, stored in enumerate(parts) if mark in stored] == [part]
