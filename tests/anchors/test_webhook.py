import base64
import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from asgi_audit.anchors import WebhookAnchor, webhook
from asgi_audit.anchors.base import line_of
from asgi_audit.errors import ConfigurationError
from tests.contracts.anchor_contract import LOG, Maker, ReadableAnchorContract, checkpoint


class Seen(NamedTuple):
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Keeps what is POSTed and gives it back, unless the test says what else to do."""

    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.scripted(body):
            self.server.lines.append(body)
            self.answer(201)

    def do_GET(self) -> None:
        if not self.scripted():
            self.answer(200, b"".join(self.server.lines))

    def scripted(self, body: bytes = b"") -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, self.path, headers, body))
        if self.server.script is None:
            return False
        self.server.script(self)
        return True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lines: list[bytes] = []
        self.seen: list[Seen] = []
        self.script: Callable[[Handler], object] | None = None
        self.released = threading.Event()  # what a script that hangs waits for
        self.place = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.place}/log"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients hang up in these tests


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def serve() -> Iterator[Server]:
    """A server on a port of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


server = pytest.fixture(serve)
other = pytest.fixture(serve, name="other")


class TestWebhookAnchor(ReadableAnchorContract):
    @pytest.fixture
    def make(self, server: Server) -> Maker:
        return lambda: WebhookAnchor(server.url)


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], object]:
    """Say this to whoever asks."""
    return lambda handler: handler.answer(status, body, **headers)


@pytest.mark.asyncio
async def test_posts_a_line_of_json(server: Server) -> None:
    """With its media type, and the headers that were given."""
    await WebhookAnchor(f"{server.url}?key=1#part", headers={"x-token": "canary"}).publish(checkpoint(1))
    [seen] = server.seen
    assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/log?key=1", "application/json")
    assert seen.headers["x-token"] == "canary"
    assert seen.body.endswith(b"}\n")
    assert json.loads(seen.body)["checkpoint"] == checkpoint(1)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_any_success_means_kept(server: Server, status: int) -> None:
    """Whatever else is said."""
    server.script = answering(status)
    await WebhookAnchor(server.url).publish(checkpoint(1))
    assert len(server.seen) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 404, 405, 413, 429, 500, 501, 503])
async def test_anything_else_means_not_kept(server: Server, other: Server, status: int) -> None:
    """A redirect as well: the GET that it would become succeeds, but keeps nothing."""
    server.script = answering(status, b"canary", Location=other.url)
    with pytest.raises(OSError, match=rf"^webhook:http://{server.place}/log: answered {status}$"):
        await WebhookAnchor(server.url).publish(checkpoint(1))
    assert other.seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [204, 404, 405, 501])
async def test_a_server_may_be_for_writing_alone(server: Server, status: int) -> None:
    """Then it has no newest one, as one that has nothing yet."""
    server.script = answering(status)
    assert await WebhookAnchor(server.url).newest(LOG) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 401, 403, 410, 429, 500, 503])
async def test_a_server_that_fails_is_not_taken_for_empty(server: Server, status: int) -> None:
    """Neither by a sealer nor by a verifier."""
    server.script = answering(status)
    anchor = WebhookAnchor(server.url)
    with pytest.raises(OSError, match=f"answered {status}$"):
        await anchor.newest(LOG)
    with pytest.raises(OSError, match=f"answered {status}$"):
        list(anchor.read())


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_verifier_is_told_that_it_cannot_be_read(server: Server, status: int) -> None:
    """And what to give instead."""
    server.script = answering(status)
    with pytest.raises(ConfigurationError, match=rf"anchor='{server.url}': it answers {status} to GET; give a file"):
        list(WebhookAnchor(server.url).read())


@pytest.mark.asyncio
async def test_foreign_and_torn_lines_are_passed_over(server: Server) -> None:
    """As in a file; the end of the last line may be missing."""
    lines = [b"# log\n", line_of(checkpoint(1)).encode()[:70], b"\n\xff\n", line_of(checkpoint(2)).encode()]
    server.script = answering(200, b"".join(lines))
    anchor = WebhookAnchor(server.url)
    assert list(anchor.read()) == [checkpoint(2)]
    assert await anchor.newest(LOG) == checkpoint(2)


def test_reads_as_a_stream(server: Server) -> None:
    """The first checkpoint is there before the last was sent, and a reader who has enough may go."""
    block = line_of(checkpoint(1)).encode() + b"\n"

    def forever(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(block)

    server.script = forever
    reading = WebhookAnchor(server.url).read()
    assert [next(reading) for _ in range(10_000)] == [checkpoint(1)] * 10_000
    del reading


@pytest.mark.asyncio
async def test_an_answer_may_not_be_endless(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest one is looked for in 64 MiB at most, and a verifier reads a gibibyte; more is an error, not a part."""
    assert (webhook._MOST_FOR_NEWEST, webhook._MOST_FOR_READ) == (64, 1024)
    monkeypatch.setattr(webhook, "_MOST_FOR_NEWEST", 1)
    monkeypatch.setattr(webhook, "_MOST_FOR_READ", 2)
    line = line_of(checkpoint(1)).encode()
    anchor = WebhookAnchor(server.url)
    for most in (1, 2):
        server.script = answering(200, line.ljust(most << 20, b"\n"))
        assert list(anchor.read()) == [checkpoint(1)]
        if most == 1:
            assert await anchor.newest(LOG) == checkpoint(1)
    with pytest.raises(OSError, match="log: the answer is longer than 1 MiB"):
        await anchor.newest(LOG)
    server.script = answering(200, line.ljust((2 << 20) + 1, b"\n"))
    with pytest.raises(OSError, match="log: the answer is longer than 2 MiB"):
        list(anchor.read())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "log: the answer broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", "log: IncompleteRead"),
        (b"canary\r\n\r\n", "log: BadStatusLine"),
        (b"", "log: RemoteDisconnected"),
    ],
)
async def test_an_answer_that_breaks_off_is_an_error(server: Server, head: bytes, message: str) -> None:
    """What has come is not all there is: a checkpoint would be missed."""
    server.script = lambda handler: head and handler.wfile.write(head + line_of(checkpoint(1)).encode() + b"\n")
    anchor = WebhookAnchor(server.url)
    with pytest.raises(OSError, match=f"{message}$"):
        await anchor.newest(LOG)
    with pytest.raises(OSError, match=f"{message}$"):
        list(anchor.read())


@pytest.mark.asyncio
@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_a_server_that_hangs_is_given_up(server: Server, begins: bytes) -> None:
    """Before it answers or in the middle of its answer, after the timeout, while the loop goes on."""

    def hang(handler: Handler) -> None:
        handler.wfile.write(begins)
        server.released.wait(30)

    server.script = hang
    anchor = WebhookAnchor(server.url, timeout=0.2)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=rf"^webhook:http://{server.place}/log: no answer within 0.2 s$"):
        await anchor.newest(LOG)
    if not begins:
        with pytest.raises(TimeoutError):
            await anchor.publish(checkpoint(1))
    assert time.monotonic() - began < 5


@pytest.mark.asyncio
async def test_a_server_that_is_not_there_is_an_error() -> None:
    """For a sealer too, who can't know what stands there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        anchor = WebhookAnchor(f"http://127.0.0.1:{free.getsockname()[1]}/")
        with pytest.raises(OSError, match=r"^webhook:http://127.0.0.1:\d+/: \[Errno \d+\] Connection refused$"):
            await anchor.publish(checkpoint(1))
        with pytest.raises(OSError, match="Connection refused"):
            await anchor.newest(LOG)
    with pytest.raises(OSError, match=r"^webhook:http://a\.\.b/: Unicode(Encode)?Error$"):
        await WebhookAnchor("http://a..b/").publish(checkpoint(1))


@pytest.mark.asyncio
async def test_a_user_in_the_url_is_sent_as_authorization(server: Server) -> None:
    """Percent-decoded; a header that was given says more."""
    url = f"http://us%40er:p%3Aw%C3%A9@{server.place}/log"
    await WebhookAnchor(url).publish(checkpoint(1))
    assert await WebhookAnchor(url).newest(LOG) == checkpoint(1)
    expected = "Basic " + base64.b64encode("us@er:p:wé".encode()).decode()
    assert [seen.headers["authorization"] for seen in server.seen] == [expected] * 2
    await WebhookAnchor(url, headers={"authorization": "Bearer x"}).publish(checkpoint(1))
    await WebhookAnchor(f"http://user@{server.place}/").publish(checkpoint(1))
    expected = "Basic " + base64.b64encode(b"user:").decode()
    assert [seen.headers["authorization"] for seen in server.seen[2:]] == ["Bearer x", expected]


@pytest.mark.asyncio
async def test_no_credentials_are_shown(server: Server) -> None:
    """Not in the name, not in the repr, and in no error whatever the server says."""
    url = f"http://canary1:canary2@{server.place}/log?key=canary3#canary4"
    anchor = WebhookAnchor(url, headers={"X-Token": "canary5"}, timeout=0.2)
    shown = [anchor.name, repr(anchor)]

    def echo(handler: Handler) -> None:
        handler.wfile.write(f"canary {handler.headers['Authorization']}\r\n\r\n".encode())

    scripts: list[Callable[[Handler], object]] = [
        answering(401, b"canary", Echo="canary"),
        answering(302, b"canary", Location="ftp://canary"),
        answering(302, b"canary", Location="http://canary:canary@127.0.0.1:1/"),
        answering(302, b"canary", Location="http://[canary/"),
        echo,
        lambda handler: server.released.wait(30),
    ]
    for script in scripts:
        server.script = script
        for attempt in (anchor.publish(checkpoint(1)), anchor.newest(LOG)):
            with pytest.raises(OSError, match=f"^webhook:http://{server.place}/log: ") as caught:
                await attempt
            shown += [repr(caught.value), "".join(traceback.format_exception(caught.value))]
    secrets = ["canary" + str(number) for number in range(1, 6)] + [base64.b64encode(b"canary1:canary2").decode()]
    code = [line for text in shown for line in text.splitlines()]
    assert [line for line in code for secret in secrets if secret in line] == []
    assert anchor.name == f"webhook:{server.url}"
    assert repr(anchor) == f"WebhookAnchor('{server.url}')"


@pytest.mark.asyncio
async def test_reading_follows_a_redirect(server: Server, other: Server) -> None:
    """On the same server with what authenticates us, to another one without."""
    other.lines.append(line_of(checkpoint(1)).encode())

    def move(handler: Handler) -> None:
        handler.answer(302, Location="/moved" if handler.path == "/log" else other.url)

    server.script = move
    anchor = WebhookAnchor(f"http://user:canary@{server.place}/log", headers={"X-Token": "canary"})
    assert await anchor.newest(LOG) == checkpoint(1)
    assert [(seen.path, "x-token" in seen.headers, "authorization" in seen.headers) for seen in server.seen] == [
        ("/log", True, True),
        ("/moved", True, True),
    ]
    [seen] = other.seen
    assert {"x-token", "authorization"} & set(seen.headers) == set()


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/log", "file:///etc/passwd", "data:,x"])
def test_reading_leaves_the_web_for_nothing(server: Server, place: str) -> None:
    """A redirect to another scheme is an answer like any other that isn't a success."""
    server.script = answering(302, Location=place)
    with pytest.raises(OSError, match="answered 302"):
        list(WebhookAnchor(server.url).read())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://canary:canary@example.org/",
        "file:///canary",
        "canary",
        "",
        "https://",
        "https:///canary",
        "https://:80/canary",
        "https://user:can/ary@example.org/",
        "https://canary:pass@example.org:port/",
        "https://example.org:0/",
        "https://[canary/",
        "https://example.org/a canary",
        "https://example.org/\ncanary",
        "https://exämple.org/canary",
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    """At construction, without saying what may be a password."""
    with pytest.raises(ConfigurationError, match=r"^url='.*:…': (give a URL that begins|write https://)") as caught:
        WebhookAnchor(url)
    assert url == "canary" or "canary" not in "".join(traceback.format_exception(caught.value)).replace("(url)", "")


@pytest.mark.parametrize(
    "headers", [{"X-Token": "canary\r\nX: y"}, {"X-Token": "canaryé"}, {"X Token": "canary"}, {"": "canary"}]
)
def test_headers_that_cannot_work_are_refused(headers: dict[str, str]) -> None:
    """At construction, by their names alone."""
    with pytest.raises(ConfigurationError, match=r"^headers='(X.Token)?': (its value must be|this can't be)") as caught:
        WebhookAnchor("https://example.org", headers=headers)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_cannot_work_is_refused(timeout: float) -> None:
    """Waiting for ever is none."""
    with pytest.raises(ConfigurationError, match=r"^timeout=.*: give a number of seconds above zero"):
        WebhookAnchor("https://example.org", timeout=timeout)
