"""The record: one immutable entry of the trail, and its JSON form (version 1).

A record's JSON is an object with sorted keys, without the fields that are null. `encode` and `decode` are inverse to
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

    type: str | None = None
    name: str | None = None
    source: str | None = None
    on_behalf_of: "Actor | None" = None


class Target(_Identified, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A resource acted on."""

    type: str | None = None
    name: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one row, or, with `count`, of the many rows that matched `criteria`."""

    operation: str
    type: str
    id: str | None = None
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    count: int | None = None
    criteria: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """From where: the client's address and how we know it (`peer`, `x-forwarded-for`, `forwarded`)."""

    ip: str | None = None
    ip_source: str | None = None
    port: int | None = None
    user_agent: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One part of a multipart body; `size` in bytes; a file's content is never kept."""

    name: str
    filename: str | None = None
    type: str | None = None
    size: int = 0
    text: str | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A body as far as it may be kept: redacted, escaped, capped.

    `size` is the length of the whole in bytes; `cut` says that `text` or `parts` show less than the whole; `dropped` is
    the reason why there is no text, or why it ends early: of malformed JSON, what stands before the error is kept.
    """

    size: int
    type: str | None = None
    text: str | None = None
    parts: list[Part] | None = None
    cut: bool = False
    dropped: str | None = None
    digest: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked. `size` counts the bytes of the body that the application read; a websocket has no method."""

    path: str
    method: str | None = None
    route: str | None = None
    params: dict[str, str] | None = None
    query: str | None = None
    scheme: str | None = None
    host: str | None = None
    http_version: str | None = None
    id: str | None = None
    trace_id: str | None = None
    size: int | None = None
    headers: list[tuple[str, str]] | None = None
    body: Body | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was answered. `status` is what the application sent; `size` counts the bytes of the body that it sent."""

    status: int
    size: int | None = None
    headers: list[tuple[str, str]] | None = None
    body: Body | None = None


class Traffic(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Websocket messages in one direction, and their payload in bytes."""

    messages: int
    bytes: int


class WebSocket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A websocket's close code (RFC 6455, section 7.4) and traffic each way, as the application saw it."""

    received: Traffic
    sent: Traffic
    code: int | None = None


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The exception that ended it: its class, and from level REQUEST up its redacted message."""

    type: str
    message: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One immutable entry of the trail.

    `time` is when the work began, `id` (UUIDv7) when the record was made. `writer` and `seq` are given by the journal:
    `seq` counts from 0 without gaps within one writer. `salts` are 96 hex digits: 16 bytes each for the erasable parts
    `actor`, `target` and `detail`.
    """

    v: int
    id: str
    kind: Kind
    time: datetime
    action: str
    writer: str | None = None
    seq: int | None = None
    duration_us: int | None = None
    outcome: Outcome | None = None
    actor: Actor | None = None
    targets: list[Target] | None = None
    source: Source | None = None
    request: Request | None = None
    response: Response | None = None
    websocket: WebSocket | None = None
    error: Error | None = None
    changes: list[Change] | None = None
    data: dict[str, Any] | None = None
    reason: str | None = None
    parent: str | None = None
    tenant: str | None = None
    service: str | None = None
    salts: str | None = None

    def to_json(self) -> bytes:
        """The record as JSON: one line, sorted keys, nothing that is null."""
        return encode(self)

    @property
    def status(self) -> int | None:
        """The status that the application sent, if it sent one."""
        return None if self.response is None else self.response.status


#: Thread-safe, as msgspec's encoders and decoders are.
encode = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder(Record).decode
