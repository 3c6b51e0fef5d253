"""What may be given as a sink, and how sinks are named."""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asgi_audit import AuditTrail, ConfigurationError, JSONLinesSink, LoggingSink, Record
from asgi_audit.errors import MissingDependencyError
from asgi_audit.sinks import FunctionSink, as_sink, name_sinks
from asgi_audit.sqlalchemy import SQLAlchemySink
from asgi_audit.testing import MemorySink

SECRET = "hunter2-canary"


def keep(records: Sequence[Record]) -> None:
    """A sink for tests."""


async def keep_async(records: Sequence[Record]) -> None:
    """Another one."""


class Callable:
    def __call__(self, records: Sequence[Record]) -> None:
        """Keep."""


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///audit.db", "sqlite://", "sqlite+aiosqlite:///audit.db"),
        *("postgresql://app@db/audit", "postgres://app@db/audit", "postgresql+asyncpg://app@db/audit"),
    ],
)
def test_an_url_becomes_the_sink_of_its_scheme(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected yet."""
    monkeypatch.chdir(tmp_path)
    assert isinstance(as_sink(url), SQLAlchemySink)
    assert list(tmp_path.iterdir()) == []


def test_a_sink_is_taken_as_it_is_and_a_function_wrapped() -> None:
    """Plain functions, coroutine functions, lambdas, bound methods, partial ones and callable objects."""
    sink = MemorySink()
    assert as_sink(sink) is sink
    kept: list[Record] = []
    partial = functools.partial(keep)
    for function in (keep, keep_async, kept.extend, partial, Callable(), lambda records: None):
        assert isinstance(as_sink(function), FunctionSink)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("audit.db", r"sinks='audit.db': a URL begins with its scheme; for a file write \"sqlite:///audit.db\""),
        ("redis://h", "sinks='redis:…': no sink is known for this scheme; there are mariadb, mysql, postgres"),
        (MemorySink, r"give an object, not its class: MemorySink\(…\)"),
        (42, 'sinks=42: give a URL as "sqlite:///audit.db", a sink, or a function'),
        (["sqlite://"], 'give a URL as "sqlite:///audit.db", a sink, or a function'),
    ],
)
def test_what_is_no_sink_is_refused(given: Any, said: str) -> None:
    """At construction, with what to write instead."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        AuditTrail(given)
    assert caught.value.argument == "sinks"


def test_a_trail_needs_a_sink() -> None:
    """And it is one of its own: not the same one twice."""
    with pytest.raises(ConfigurationError, match="say where records go"):
        AuditTrail()
    sink = MemorySink()
    with pytest.raises(ConfigurationError, match="it is given twice"):
        AuditTrail(sink, LoggingSink(), sink)


def test_each_sink_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Its own, its function's, or its class's; numbered where two would be the same."""

    class Nameless:
        async def open(self) -> None: ...

        async def write(self, records: Sequence[Record]) -> None: ...

        async def close(self) -> None: ...

    given: list[Any] = [
        *(MemorySink(), MemorySink(), MemorySink(), Nameless(), keep, functools.partial(keep), [].extend, Callable()),
        *(JSONLinesSink(tmp_path / "a.jsonl"), LoggingSink(), "sqlite://", "postgresql://app@db:5433/audit"),
    ]
    assert list(name_sinks(given)) == [
        *("memory", "memory #2", "memory #3", "Nameless"),
        *("tests.sinks.test_urls.keep", "functools.partial", "list.extend", "tests.sinks.test_urls.Callable"),
        *(f"jsonl:{tmp_path}/a.jsonl", "logging:asgi_audit.records"),
        *("sqlite:///:memory:", "postgresql://db:5433/audit"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        *(f"postgresql://app:{SECRET}@db/audit", f"postgresql://app:{SECRET}@db:port/audit"),
        *(f"nosuch://app:{SECRET}@db/audit", f"postgresql+nosuch://app:{SECRET}@db/audit"),
    ],
)
def test_credentials_are_never_repeated(url: str) -> None:
    """Not in names, representations or errors, whether the URL is good or not."""
    try:
        trail = AuditTrail(url)
    except ConfigurationError as error:
        said = f"{error!r} {error} {error.value!r} {error.__cause__!r}"
    else:
        sink = as_sink(url)
        said = f"{trail.stats()} {trail.health()} {sink!r} {list(name_sinks([sink]))} {trail!r}"
    assert SECRET not in said


_THIRD_PARTY = """
from asgi_audit.testing import MemorySink

def sink(url):
    made = MemorySink()
    made.name = url.partition("?")[0]
    return made

def function(url):
    return lambda records: None
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that somebody has installed, with entry points for two schemes."""
    (tmp_path / "third_party_sinks.py").write_text(_THIRD_PARTY)
    metadata = tmp_path / "third_party_sinks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-sinks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[asgi_audit.sinks]\nqueue = third_party_sinks:sink\nqueue+tls = third_party_sinks:function\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "third_party_sinks", raising=False)


@pytest.mark.usefixtures("third_party")
def test_others_may_add_schemes() -> None:
    """An entry point is called with the URL, and gives a sink or a function; the error knows of it, too."""
    sink = as_sink("queue://host/topic?token=x")
    assert getattr(sink, "name", None) == "queue://host/topic"
    assert isinstance(as_sink("queue+tls://host/topic"), FunctionSink)
    with pytest.raises(ConfigurationError, match=r"there are .*postgresql, queue, queue\+tls, sqlite"):
        as_sink("nosuch://host")


@pytest.mark.parametrize(
    ("url", "extra"), [("sqlite:///audit.db", "sqlite"), ("postgresql://h/db", "postgres"), ("mysql://h/db", "sqlite")]
)
def test_a_bare_install_is_told_the_extra_of_its_database(
    monkeypatch: pytest.MonkeyPatch, url: str, extra: str
) -> None:
    """Whoever gives a PostgreSQL URL is not told to install what SQLite needs."""
    monkeypatch.delitem(sys.modules, "asgi_audit.sqlalchemy")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'asgi-audit\[{extra}\]'"):
        as_sink(url)
