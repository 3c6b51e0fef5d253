"""What is known of a request before the application runs, read and redacted once."""

from collections.abc import Iterable

import msgspec

from asgi_audit.record import Source


class Labels(msgspec.Struct, frozen=True, gc=False):
    """What is the same in many requests. `action` is what the method alone says of what is done."""

    method: str | None
    action: str
    host: str | None
    scheme: str | None
    http_version: str | None


class Opening(msgspec.Struct, frozen=True, gc=False):
    """The facts that the server has stated: the intent's, and the record's after it.

    `raw_path` is the path before redaction, `pairs` the headers before it: what the end asks for may be more, or less.
    """

    labels: Labels
    raw_path: str | bytes
    path: str
    query: str | None
    id: str | None
    trace_id: str | None
    source: Source
    pairs: Iterable[tuple[bytes, bytes]]
    headers: list[tuple[str, str]] | None
