"""A pytest plugin for Starlette's suite: puts each application that it tests under a wrapper, and reports outcomes.

It is loaded by this file's bare name, because Starlette's own tests are called `tests` as well.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette import testclient

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send

kinds: Counter[str] = Counter()
outcomes: dict[str, dict[str, str]] = {}


class PassThrough:
    """A pure ASGI wrapper that does as little as one can do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, watched)


async def count(records: Sequence[Record]) -> None:
    """Be a sink that keeps nothing."""
    kinds.update(record.kind for record in records)


def wrap_before(client: type[Any], wrap: Callable[[Any], Any]) -> None:
    """Let each new client of this class have its application wrapped."""
    make = client.__init__

    @functools.wraps(make)
    def wrapped(self: Any, app: Any, *args: Any, **options: Any) -> None:
        make(self, wrap(app), *args, **options)

    client.__init__ = wrapped


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the wrapper's name, and where to report."""
    parser.addoption("--wrapper", choices=["noop", "audit"], required=True)
    parser.addoption("--report", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Put the wrapper where Starlette's tests hand over their applications."""
    trail = AuditTrail(count, policy=Policy([Rule(Level.RESPONSE)]))
    config.add_cleanup(lambda: _report(config, trail))

    def wrap(app: Any) -> ASGIApp:
        asgi3 = app if testclient._is_asgi3(app) else testclient._WrapASGI2(app)
        return PassThrough(asgi3) if config.option.wrapper == "noop" else AuditMiddleware(asgi3, trail)

    wrap_before(testclient.TestClient, wrap)
    wrap_before(httpx2.ASGITransport, wrap)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what came of each phase of each test."""
    outcomes.setdefault(report.nodeid, {})[report.when] = f"{report.outcome}{' xfail' * hasattr(report, 'wasxfail')}"


def _report(config: pytest.Config, trail: AuditTrail) -> None:
    trail.close(timeout=30)
    health = trail.health()
    config.option.report.write_text(
        json.dumps({"outcomes": outcomes, "kinds": kinds, "problems": health.problems}), encoding="utf-8"
    )
