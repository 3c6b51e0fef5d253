"""Where records go: the protocol, the sinks without dependencies, and how a URL becomes a sink."""

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, TypeAlias, cast

from asgi_audit.errors import ConfigurationError, MissingDependencyError
from asgi_audit.sinks.base import Sink
from asgi_audit.sinks.function import FunctionSink, SinkFunction
from asgi_audit.sinks.jsonl import JSONLinesSink
from asgi_audit.sinks.logging import LoggingSink

__all__ = [
    "AnySink",
    "FunctionSink",
    "JSONLinesSink",
    "LoggingSink",
    "Sink",
    "SinkFunction",
    "as_sink",
    "is_volatile",
    "name_sinks",
]

AnySink: TypeAlias = str | Sink | SinkFunction

#: Third parties add URL schemes in this entry-point group: `scheme = "package.module:callable"`, called with the URL.
ENTRY_POINT_GROUP: Final = "asgi_audit.sinks"

# The edges are named by string, so that their dependencies are imported only when they are used.
_SQL: Final = "asgi_audit.sqlalchemy:SQLAlchemySink"
_SCHEMES: Final = {"sqlite": _SQL, "postgresql": _SQL, "postgres": _SQL, "mysql": _SQL, "mariadb": _SQL}
_EXTRAS: Final = {"postgresql": "postgres", "postgres": "postgres"}


def as_sink(given: AnySink) -> Sink:
    """A sink from a URL, a sink, or a plain or coroutine function that takes a batch of records."""
    if isinstance(given, str):
        return _from_url(given)
    if isinstance(given, type):
        raise ConfigurationError("sinks", given, f"give an object, not its class: {given.__name__}(…)")
    if isinstance(given, Sink):
        return given
    if callable(given):
        return FunctionSink(given)
    raise ConfigurationError("sinks", given, 'give a URL as "sqlite:///audit.db", a sink, or a function')


def name_sinks(given: Sequence[AnySink]) -> dict[str, Sink]:
    """The sinks by name, each with a name of its own; the first is the primary one."""
    if not given:
        raise ConfigurationError("sinks", (), 'say where records go, as in AuditTrail("sqlite:///audit.db")')
    named: dict[str, Sink] = {}
    for sink in map(as_sink, given):
        name = base = getattr(sink, "name", None) or type(sink).__name__
        number = 2
        while name in named:
            name, number = f"{base} #{number}", number + 1
        if any(sink is other for other in named.values()):
            raise ConfigurationError("sinks", sink, "it is given twice; two lanes would write to it at once")
        named[name] = sink
    return named


def is_volatile(sink: Sink) -> bool:
    """Whether it says (`volatile = True`) that what it has stored is gone with the process."""
    return bool(getattr(sink, "volatile", False))


def _from_url(url: str) -> Sink:
    scheme, separator, _ = url.partition(":")
    if not separator:
        raise ConfigurationError("sinks", url, f'a URL begins with its scheme; for a file write "sqlite:///{url}"')
    dialect = scheme.partition("+")[0]
    if (place := _SCHEMES.get(dialect)) is not None:
        module, _, name = place.partition(":")
        try:
            sink = getattr(importlib.import_module(module), name)
        except MissingDependencyError as error:  # the module can't know which database it is for
            raise MissingDependencyError(error.feature, _EXTRAS.get(dialect, error.extra)) from None
        return cast("Callable[[str], Sink]", sink)(url)
    for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=scheme):
        factory: Callable[[str], Any] = entry_point.load()
        return as_sink(factory(url))
    known = ", ".join(sorted({*_SCHEMES, *entry_points(group=ENTRY_POINT_GROUP).names}))
    raise ConfigurationError("sinks", f"{scheme}:…", f"no sink is known for this scheme; there are {known}")
