"""Applications made by chance: a list of steps, played in order, as well-behaved or as wild as hypothesis likes.

A behaviour is made anew for each run, so that iterators are whole and messages can be told apart by identity.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import anyio
from hypothesis import strategies as st

from asgi_audit._types import Message, Receive, Scope, Send


class AppError(Exception):
    """An application's own."""


class OtherExit(BaseException):
    """One that no `except Exception` catches."""


class Step(NamedTuple):
    """One thing that an application does, and what with."""

    name: str
    argument: Any = None


Make: TypeAlias = Callable[[], Message]
ERRORS: list[Callable[[], BaseException]] = [
    AppError,
    lambda: ConnectionResetError("gone"),
    lambda: ExceptionGroup("several", [AppError(), ValueError()]),
    lambda: BaseExceptionGroup("several", [OtherExit(), AppError()]),
    OtherExit,
    asyncio.CancelledError,
    LookupError,
]


def _view(chunk: bytes) -> memoryview:
    return memoryview(chunk)


_bodies: st.SearchStrategy[Any] = st.one_of(
    st.binary(max_size=6),
    st.binary(max_size=6).map(bytearray),
    st.binary(max_size=6).map(_view),
    st.sampled_from([None, "text", 7]),
)
_names = st.sampled_from([b"content-length", b"Content-Length", b"X-Thing", b"content-type", "text"])
_values = st.sampled_from([b"0", b"3", b"6", b"-1", b"x", b"9" * 5000, b"application/json", "text"])
_headers = st.lists(st.one_of(st.tuples(_names, _values), st.just((b"alone",)), st.just([b"a", b"list"])), max_size=3)


@st.composite
def _message(draw: st.DrawFn) -> Make:
    """What makes one message, of known or unknown type, with keys left out and iterators that can be read once."""
    kind = draw(
        st.sampled_from(
            [
                *["http.response.start", "http.response.body"] * 4,
                "http.response.trailers",
                "http.response.pathsend",
                "http.response.zerocopysend",
                "http.response.push",
                "http.response.early_hint",
                "http.response.debug",
                "websocket.accept",
                "websocket.send",
                "websocket.close",
                "websocket.http.response.start",
                "websocket.http.response.body",
                "somebody.elses",
                "",
            ]
        )
    )
    values: dict[str, Any] = {
        "type": kind,
        "status": draw(st.sampled_from([101, 200, 201, 204, 304, 401, 404, 500, 503, "200", None])),
        "headers": draw(_headers),
        "body": draw(_bodies),
        "more_body": draw(st.sampled_from([True, False, None, 1])),
        "trailers": draw(st.booleans()),
        "more_trailers": draw(st.booleans()),
        "text": draw(st.sampled_from(["hello", None, 7])),
        "code": draw(st.sampled_from([1000, 1011, None, "x"])),
    }
    missing = draw(st.frozensets(st.sampled_from(sorted(values)), max_size=2))
    forms: list[Callable[[Any], Any]] = [list, tuple, iter, iter]
    form = draw(st.sampled_from(forms))

    def make() -> Message:
        message = {key: value for key, value in values.items() if key not in missing}
        if "headers" in message:
            message["headers"] = form(message["headers"])
        return message

    return make


steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        _message().map(lambda make: Step("send", make)),
        _message().map(lambda make: Step("send", make)),
        _message().map(lambda make: Step("send from a task", make)),
        _message().map(lambda make: Step("send and forget", make)),
        _message().map(lambda make: Step("send later", make)),
        st.just(Step("receive")),
        st.just(Step("receive")),
        st.just(Step("receive in a task")),
        st.just(Step("yield")),
        st.sampled_from(ERRORS).map(lambda make: Step("raise", make)),
        st.just(Step("return")),
        st.just(Step("wait to be cancelled")),
    ),
    max_size=8,
)


class Behaviour:
    """An ASGI application that plays its steps, and notes what it saw of the world."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps
        self.calls = 0
        self.scope: Scope | None = None
        self.made: list[Message] = []
        self.heard: list[Message] = []
        self.raised: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play."""
        self.calls += 1
        self.scope = scope
        later = []
        try:
            for step in self._steps:
                if step.name == "return":
                    break
                if step.name == "send later":
                    later.append(self._make(step))
                else:
                    await self._play(step, receive, send)
            for message in later:
                await send(message)
        except BaseException as error:
            self.raised = error
            raise

    async def _play(self, step: Step, receive: Receive, send: Send) -> None:
        match step.name:
            case "send":
                await send(self._make(step))
            case "send from a task":
                async with anyio.create_task_group() as group:
                    group.start_soon(self._say, send, self._make(step))
            case "send and forget":
                awaitable = send(self._make(step))
                await anyio.lowlevel.checkpoint()
                await awaitable
            case "receive":
                self.heard.append(await receive())
            case "receive in a task":
                async with anyio.create_task_group() as group:
                    group.start_soon(self._hear, receive)
            case "yield":
                await anyio.lowlevel.checkpoint()
            case "raise":
                raise step.argument()
            case _:
                await anyio.sleep_forever()

    async def _say(self, send: Send, message: Message) -> None:
        await send(message)

    async def _hear(self, receive: Receive) -> None:
        self.heard.append(await receive())

    def _make(self, step: Step) -> Message:
        message: Message = step.argument()
        self.made.append(message)
        return message
