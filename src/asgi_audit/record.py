"""The record: one immutable entry of the trail, and its JSON form (version 1).

A record's JSON is an object with sorted keys, without the fields that are null. Fields are declared in the order of
their names, for to sort each record's takes longer than the rest of encoding it. `encode` and `decode` are inverse to
each other. Every text has passed the redactor and the escape before it comes here: a record is safe to print and to
store.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

VERSION: Final = 1


class Kind(StrEnum):
    """What a record is about; the last five are the trail's own."""

    HTTP = "http"
    WEBSOCKET = "websocket"
    EVENT = "event"
    OPEN = "open"
    CLOSE = "close"
    LOSS = "loss"
    ERASE = "erase"
    PURGE = "purge"


#: What the application did, as against what the trail says of itself.
APPLICATION_KINDS: Final = frozenset({Kind.HTTP, Kind.WEBSOCKET, Kind.EVENT})


class Outcome(StrEnum):
    """How it ended, honestly: see the table of endings in the documentation."""

    SUCCESS = "success"
    DENIED = "denied"
    FAILED = "failed"
    ERROR = "error"
    DISCONNECTED = "disconnected"
    CANCELLED = "cancelled"
    NO_RESPONSE = "no_response"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class _Identified(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    id: str


class Actor(_Identified, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who acts.

    `source` says how we know: `set_actor`, `identify`, `framework`, `acting_as`, `event` or `inherited`.
    `on_behalf_of` is the person whose rights an impersonating actor used.
    """

    name: str | None = None
    on_behalf_of: "Actor | None" = None
    source: str | None = None
    type: str | None = None


class Target(_Identified, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A resource acted on."""

    name: str | None = None
    type: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one row, or, with `count`, of the many rows that matched `criteria`."""

    after: dict[str, Any] = {}
    before: dict[str, Any] = {}
    count: int | None = None
    criteria: str | None = None
    id: str | None = None
    operation: str
    type: str


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """From where: the client's address and how we know it (`peer`, `x-forwarded-for`, `forwarded`)."""

    ip: str | None = None
    ip_source: str | None = None
    port: int | None = None
    user_agent: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One part of a multipart body; `size` in bytes; a file's content is never kept."""

    filename: str | None = None
    name: str
    size: int = 0
    text: str | None = None
    type: str | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A body as far as it may be kept: redacted, escaped, capped.

    `size` is the length of the whole in bytes; `cut` says that `text` or `parts` show less than the whole; `dropped` is
    the reason why there is no text, or why it ends early: of malformed JSON, what stands before the error is kept.
    """

    cut: bool = False
    digest: str | None = None
    dropped: str | None = None
    parts: list[Part] | None = None
    size: int
    text: str | None = None
    type: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked. `size` counts the bytes of the body that the application read; a websocket has no method."""

    body: Body | None = None
    headers: list[tuple[str, str]] | None = None
    host: str | None = None
    http_version: str | None = None
    id: str | None = None
    method: str | None = None
    params: dict[str, str] | None = None
    path: str
    query: str | None = None
    route: str | None = None
    scheme: str | None = None
    size: int | None = None
    trace_id: str | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was answered. `status` is what the application sent; `size` counts the bytes of the body that it sent."""

    body: Body | None = None
    headers: list[tuple[str, str]] | None = None
    size: int | None = None
    status: int


class Traffic(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Websocket messages in one direction, and their payload in bytes."""

    bytes: int
    messages: int


class WebSocket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A websocket's close code (RFC 6455, section 7.4) and traffic each way, as the application saw it."""

    code: int | None = None
    received: Traffic
    sent: Traffic


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The exception that ended it: its class, and from level REQUEST up its redacted message."""

    message: str | None = None
    type: str


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One immutable entry of the trail.

    `time` is when the work began, `id` (UUIDv7) when the record was made. `writer` and `seq` are given by the journal:
    `seq` counts from 0 without gaps within one writer. `salts` are 96 hex digits: 16 bytes each for the erasable parts
    `actor`, `target` and `detail`.
    """

    action: str
    actor: Actor | None = None
    changes: list[Change] | None = None
    data: dict[str, Any] | None = None
    duration_us: int | None = None
    error: Error | None = None
    id: str
    kind: Kind
    outcome: Outcome | None = None
    parent: str | None = None
    reason: str | None = None
    request: Request | None = None
    response: Response | None = None
    salts: str | None = None
    seq: int | None = None
    service: str | None = None
    source: Source | None = None
    targets: list[Target] | None = None
    tenant: str | None = None
    time: datetime
    v: int
    websocket: WebSocket | None = None
    writer: str | None = None

    def to_json(self) -> bytes:
        """The record as JSON: one line, sorted keys, nothing that is null."""
        return encode(self)

    @property
    def status(self) -> int | None:
        """The status that the application sent, if it sent one."""
        return None if self.response is None else self.response.status


#: Thread-safe, as msgspec's encoders and decoders are.
encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(Record).decode
