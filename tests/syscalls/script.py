"""The script that is run under strace: a raw application, its trail, and 30 requests, one after the other."""

import asyncio
from pathlib import Path

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule, annotate
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.delivery import Delivery
from asgi_audit.journal.durability import Fsync
from asgi_audit.journal.file import FileJournal
from tests.syscalls.diary import Diary
from tests.syscalls.steps import STATUS, STEPS, Step

_PADDING = "x" * 1_500  # so that 30 requests fill several segments


class Raised(Exception):  # noqa: N818 - no error of ours
    """What the application raises behind its 500."""


def trail_in(home: Path, fsync: Fsync = "interval") -> AuditTrail:
    """A trail with its journal and its database in this directory."""
    return AuditTrail(
        f"sqlite:///{home}/audit.db",
        policy=Policy(
            [Rule(Level.METADATA, methods=["POST"], paths=["/payment/**"], required=True), *Policy.mutations]
        ),
        journal=FileJournal(home / "journal", fsync=fsync, max_bytes=64 * 2**10),
        delivery=Delivery(linger=0.0),
    )


def play(home: Path, fsync: Fsync = "interval") -> None:
    """Issue all requests, and note in the diary how far each has come."""
    diary = Diary(home / "diary")
    trail = trail_in(home, fsync)
    app = AuditMiddleware(_application(home, trail, diary), trail)
    asyncio.run(_issue(app, trail, diary))
    trail.close()
    stats = trail.stats()
    diary.note("ended", stats.accepted, stats.failures)


async def _issue(app: AuditMiddleware, trail: AuditTrail, diary: Diary) -> None:
    for step in STEPS:
        diary.note("issued", step.number)
        if step.kind == "event":
            trail.event(step.key, data={"padding": _PADDING})
            diary.note("answered", step.number, 0)
        else:
            await _connect(app, step, diary)
        trail.flush()  # one thread after the other, so that each counts the same calls every time


async def _connect(app: AuditMiddleware, step: Step, diary: Diary) -> None:
    messages: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    status = 101

    async def receive() -> Message:
        return messages.pop(0) if step.kind == "socket" else {"type": "http.request"}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        if message["type"] in {"http.response.body", "websocket.close"}:
            diary.note("answered", step.number, status)

    try:
        await app(_scope(step), receive, send)
    except Raised:
        assert step.kind == "raising"


def _scope(step: Step) -> Scope:
    scope: Scope = {
        "type": "websocket" if step.kind == "socket" else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "path": step.path,
        "query_string": b"",
        "headers": [(b"user-agent", b"strace")],
        "client": ("192.0.2.7", 4711),
        "step": step,
    }
    return scope if step.kind == "socket" else {**scope, "method": "GET" if step.kind == "read" else "POST"}


def _look_for_intent(home: Path, step: Step, diary: Diary) -> None:
    """In a thread that is not struck, for what it calls on the journal is not the journal's."""
    if not any(step.path.encode() in segment.read_bytes() for segment in home.glob("journal/*/*.seg")):
        diary.note("unsecured", step.number)


def _application(home: Path, trail: AuditTrail, diary: Diary) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        step: Step = scope["step"]
        diary.note("entered", step.number)
        if step.kind == "payment":
            await asyncio.to_thread(_look_for_intent, home, step, diary)
        if step.recorded:
            annotate(data={"padding": _PADDING})
        await receive()
        if step.kind == "socket":
            await send({"type": "websocket.accept"})
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        if step.kind == "told":
            trail.event(f"told.{step.number}")
        await send({"type": "http.response.start", "status": STATUS.get(step.kind, 201), "headers": []})
        await send({"type": "http.response.body", "body": b"x"})
        if step.kind == "raising":
            raise Raised

    return application
