"""A record as it is committed to: a core that stays for ever, and three parts that can be erased.

The core is what a leaf of the Merkle tree hashes. It names no person: who acted, from where, on what and with which
words stand in the parts, and the core holds only a keyed commitment to each. With its salt gone, a commitment says
nothing about the part any more, and the leaf still verifies.

    core     v, id, writer, seq, kind, time, duration_us, action, outcome, method, route, status, service, parent, the
             commitments to the parts and, if there is a secret for it, a MAC
    actor    the actor, and the source: address and user agent
    target   the targets and the tenant
    detail   everything else

All four are JSON with sorted keys. They are made once, here, and stored as text; nobody serialises them again, so a
verifier in any language only hashes what is there.
"""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from asgi_audit.integrity.mac import MacKey
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
    WebSocket,
    encode,
)

#: The erasable parts, in the order of `Record.salts`.
PARTS: Final = ("actor", "target", "detail")
SALT_DIGITS: Final = 32

_EMPTY: Final = b"{}"
# HMAC (RFC 2104) by hand: the library's one-shot function costs a third of all that is done for a record here.
# A salt of 16 bytes is padded to the block of 64, and what follows the salt is always the same.
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
_INNER_PAD: Final = b"\x36" * 48
_OUTER_PAD: Final = b"\x5c" * 48
_INNER_ACTOR, _INNER_TARGET, _INNER_DETAIL = (
    _INNER_PAD + b"asgi-audit/1 part " + name.encode() + b"\n" for name in PARTS
)


class Commitments(msgspec.Struct, frozen=True, gc=False):
    """HMAC-SHA256 of each part under its salt, in hex digits."""

    actor: str
    detail: str
    target: str


class _Core(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    # In the order of the alphabet: the encoder then has nothing to sort.
    action: str
    commitments: Commitments
    duration_us: int | None = None
    id: str
    kind: Kind
    mac: str | None = None
    method: str | None = None
    outcome: Outcome | None = None
    parent: str | None = None
    route: str | None = None
    seq: int | None = None
    service: str | None = None
    status: int | None = None
    time: datetime
    v: int
    writer: str | None = None


class _ActorPart(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    actor: Actor | None = None
    source: Source | None = None


class _TargetPart(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    targets: list[Target] | None = None
    tenant: str | None = None


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    body: Body | None = None
    headers: list[tuple[str, str]] | None = None
    host: str | None = None
    http_version: str | None = None
    id: str | None = None
    params: dict[str, str] | None = None
    path: str
    query: str | None = None
    scheme: str | None = None
    size: int | None = None
    trace_id: str | None = None


class _Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    body: Body | None = None
    headers: list[tuple[str, str]] | None = None
    size: int | None = None


class _DetailPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    changes: list[Change] | None = None
    data: dict[str, Any] | None = None
    error: Error | None = None
    reason: str | None = None
    request: _Request | None = None
    response: _Response | None = None
    websocket: WebSocket | None = None


_encode_core = msgspec.json.Encoder().encode
_decode_core = msgspec.json.Decoder(_Core).decode
_decode_actor = msgspec.json.Decoder(_ActorPart).decode
_decode_target = msgspec.json.Decoder(_TargetPart).decode
_decode_detail = msgspec.json.Decoder(_DetailPart).decode


def parts(record: Record) -> tuple[bytes, bytes, bytes]:
    """The bytes of the parts `actor`, `target` and `detail`."""
    actor = target = _EMPTY
    if record.actor is not None or record.source is not None:
        actor = encode(_ActorPart(record.actor, record.source))
    if record.targets is not None or record.tenant is not None:
        target = encode(_TargetPart(record.targets, record.tenant))
    detail = _DetailPart(
        changes=record.changes,
        data=record.data,
        error=record.error,
        reason=record.reason,
        request=_without_core(record.request),
        response=_beyond_status(record.response),
        websocket=record.websocket,
    )
    return actor, target, encode(detail)


def _without_core(request: Request | None) -> _Request | None:
    if request is None:
        return None
    return _Request(
        body=request.body,
        headers=request.headers,
        host=request.host,
        http_version=request.http_version,
        id=request.id,
        params=request.params,
        path=request.path,
        query=request.query,
        scheme=request.scheme,
        size=request.size,
        trace_id=request.trace_id,
    )


def _beyond_status(response: Response | None) -> _Response | None:
    if response is None:
        return None
    return _Response(body=response.body, headers=response.headers, size=response.size)


def commit(salts: bytes, actor: bytes, target: bytes, detail: bytes) -> Commitments:
    """The commitments to the parts under their salts, of 16 bytes each: HMAC-SHA256 of a label and the part."""
    inner = salts.translate(_INNER)
    outer = salts.translate(_OUTER)
    return Commitments(
        actor=sha256(outer[:16] + _OUTER_PAD + sha256(inner[:16] + _INNER_ACTOR + actor).digest()).hexdigest(),
        target=sha256(outer[16:32] + _OUTER_PAD + sha256(inner[16:32] + _INNER_TARGET + target).digest()).hexdigest(),
        detail=sha256(outer[32:] + _OUTER_PAD + sha256(inner[32:] + _INNER_DETAIL + detail).digest()).hexdigest(),
    )


def commitment(part: str, salt: bytes, stored: bytes) -> str:
    """The commitment to one part, as the library computes it."""
    return hmac.digest(salt, b"asgi-audit/1 part " + part.encode() + b"\n" + stored, "sha256").hex()


def core(record: Record, commitments: Commitments, key: MacKey | None = None) -> bytes:
    """The bytes that a leaf hashes; with a key, they have a MAC."""
    request = record.request
    made = _Core(
        action=record.action,
        commitments=commitments,
        duration_us=record.duration_us,
        id=record.id,
        kind=record.kind,
        method=None if request is None else request.method,
        outcome=record.outcome,
        parent=record.parent,
        route=None if request is None else request.route,
        seq=record.seq,
        service=record.service,
        status=record.status,
        time=record.time,
        v=record.v,
        writer=record.writer,
    )
    bare = _encode_core(made)
    if key is None:
        return bare
    return _encode_core(msgspec.structs.replace(made, mac=key.mac(record.writer or "", bare)))


def commitments_in(core: str | bytes) -> Commitments:
    """What a stored core commits to; raises `msgspec.MsgspecError` if it is none."""
    return _decode_core(core).commitments


def assemble(
    core: str | bytes, actor: str | bytes | None, target: str | bytes | None, detail: str | bytes | None
) -> Record:
    """The record that was taken apart, without its salts.

    What an erased part held is None; a request whose detail is erased has an empty path, and keeps its method and
    route.
    """
    kept = _decode_core(core)
    by = _ActorPart() if actor is None else _decode_actor(actor)
    of = _TargetPart() if target is None else _decode_target(target)
    rest = _DetailPart() if detail is None else _decode_detail(detail)
    return Record(
        v=kept.v,
        id=kept.id,
        kind=kept.kind,
        time=kept.time,
        action=kept.action,
        writer=kept.writer,
        seq=kept.seq,
        duration_us=kept.duration_us,
        outcome=kept.outcome,
        actor=by.actor,
        targets=of.targets,
        source=by.source,
        request=_whole_request(kept, rest.request),
        response=_whole_response(kept.status, rest.response),
        websocket=rest.websocket,
        error=rest.error,
        changes=rest.changes,
        data=rest.data,
        reason=rest.reason,
        parent=kept.parent,
        tenant=of.tenant,
        service=kept.service,
    )


def _whole_request(kept: _Core, rest: _Request | None) -> Request | None:
    if rest is None:
        if kept.method is None and kept.route is None:
            return None
        rest = _Request(path="")
    return Request(
        path=rest.path,
        method=kept.method,
        route=kept.route,
        params=rest.params,
        query=rest.query,
        scheme=rest.scheme,
        host=rest.host,
        http_version=rest.http_version,
        id=rest.id,
        trace_id=rest.trace_id,
        size=rest.size,
        headers=rest.headers,
        body=rest.body,
    )


def _whole_response(status: int | None, rest: _Response | None) -> Response | None:
    if status is None:
        return None
    if rest is None:
        return Response(status=status)
    return Response(status=status, size=rest.size, headers=rest.headers, body=rest.body)
