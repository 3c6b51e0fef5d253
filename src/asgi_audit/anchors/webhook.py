"""Checkpoints as requests to a server.

What a server says, and what it was told to authenticate us, stands in no error: only our name for it, and its status.
"""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from asgi_audit.anchors.aside import aside
from asgi_audit.anchors.base import is_of, line_of
from asgi_audit.anchors.stream import BLOCK, checkpoints
from asgi_audit.errors import ConfigurationError

_SCHEMES: Final = {"http", "https"}
#: Answers to GET that mean that a server takes checkpoints and gives none back.
_WRITE_ONLY: Final = {404, 405, 501}
_MIB: Final = 1 << 20
_MOST_FOR_NEWEST: Final = 64
_MOST_FOR_READ: Final = 1024


class WebhookAnchor:
    """POSTs each checkpoint to a URL as one line of JSON; any answer from 200 to 299 means that it is kept.

    A server that can be read back answers GET at the same URL with the lines that it was sent, oldest first. User name
    and password in the URL are sent as Basic authorization; other secrets belong in `headers`. The URL's query is not
    shown in messages, its path is. Proxies are taken from the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,  # seconds without a sign of the server
    ) -> None:
        if not (timeout > 0 and math.isfinite(timeout)):
            raise ConfigurationError("timeout", timeout, "give a number of seconds above zero")
        parts = _split(url)
        place = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        self._url = place.geturl()
        self._shown = place._replace(query="").geturl()
        self._headers = {**_authorization(parts), **_checked(headers or {})}
        self._timeout = timeout
        self._last: str | None = None
        self._opener = build_opener(_Redirects)
        self.name = f"webhook:{self._shown}"

    async def publish(self, checkpoint: str) -> None:
        """POST it; redirects are not followed, for they end in a GET."""
        await aside(lambda: self._publish(checkpoint))
        self._last = checkpoint

    async def newest(self, log: str) -> str | None:
        """What it was last given by us, else GET what it keeps, at most 64 MiB, and take the last one."""
        if self._last is not None and is_of(self._last, log):
            return self._last
        return await aside(lambda: self._newest(log))

    def read(self) -> Iterator[str]:
        """GET what it keeps, at most 1 GiB, as a stream."""
        try:
            yield from self._get(_MOST_FOR_READ)
        except _StatusError as error:
            if error.status not in _WRITE_ONLY:
                raise
            remedy = f"it answers {error.status} to GET; give a file with the lines that it was sent"
            raise ConfigurationError("anchor", self._shown, remedy) from None

    def _publish(self, checkpoint: str) -> None:
        headers = {"Content-Type": "application/json", **self._headers}
        line = f"{line_of(checkpoint)}\n".encode()
        with self._answer(Request(self._url, line, headers, method="POST")):  # noqa: S310 - checked at construction
            pass

    def _newest(self, log: str) -> str | None:
        newest = None
        try:
            for checkpoint in self._get(_MOST_FOR_NEWEST):
                if is_of(checkpoint, log):
                    newest = checkpoint
        except _StatusError as error:
            if error.status not in _WRITE_ONLY:
                raise
        return newest

    def _get(self, most: int) -> Iterator[str]:
        request = Request(self._url, headers=self._headers)  # noqa: S310 - checked at construction
        with self._answer(request) as response:
            yield from checkpoints(_blocks(response, most))

    @contextmanager
    def _answer(self, request: Request) -> Iterator[HTTPResponse]:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                yield response
        except HTTPError as error:
            error.close()
            raise _StatusError(self.name, error.code) from None
        except (HTTPException, ValueError) as error:  # these quote the server, or the address it redirects to
            raise OSError(f"{self.name}: {type(error).__name__}") from None
        except OSError as error:
            reason = error.reason if isinstance(error, URLError) else error
            if isinstance(reason, TimeoutError):
                raise TimeoutError(f"{self.name}: no answer within {self._timeout:g} s") from None
            raise OSError(f"{self.name}: {reason}") from None

    def __repr__(self) -> str:
        return f"WebhookAnchor({self._shown!r})"


class _StatusError(OSError):
    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name}: answered {status}")
        self.status = status


class _Redirects(HTTPRedirectHandler):
    """Follows a GET alone, to http and https alone, and tells our headers to no other server."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if req.get_method() != "GET" or urlsplit(newurl).scheme not in _SCHEMES:
            return None
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            redirected.headers.clear()
        return redirected

    def http_error_302(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage) -> Any:
        """As the library does it, but an answer whose Location is no URL doesn't keep its socket."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _blocks(response: HTTPResponse, most: int) -> Iterator[bytes]:
    left = most * _MIB
    while block := response.read(BLOCK):
        left -= len(block)
        if left < 0:
            raise OSError(f"the answer is longer than {most} MiB")
        yield block
    if response.length:  # an answer that breaks off must not pass for all there is
        raise OSError("the answer broke off")


def _split(url: str) -> SplitResult:
    scheme = url.partition(":")[0].lower()
    if scheme not in _SCHEMES:
        raise ConfigurationError("url", f"{scheme[:10]}:…", 'give a URL that begins with "https://" or "http://"')
    with suppress(ValueError):  # its message would quote the password
        parts = urlsplit(url)
        if re.fullmatch(r"[!-~]+", url) and parts.hostname and parts.port != 0:
            return parts
    remedy = "write https://server/path, percent-encoding spaces, controls, other alphabets and the password"
    raise ConfigurationError("url", f"{scheme}:…", remedy)


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None and parts.password is None:
        return {}
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers; here, since what would reject them later quotes their values."""
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigurationError("headers", name, "this can't be a header's name")
        if not re.fullmatch(r"[\t -~]*", value):
            raise ConfigurationError("headers", name, "its value must be of printable ASCII characters")
    return {name.title(): value for name, value in headers.items()}
