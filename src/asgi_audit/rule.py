"""One line of a policy: which requests, and how much of them is recorded."""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

from asgi_audit.errors import ConfigurationError
from asgi_audit.paths import path_regex

WEBSOCKET = "WEBSOCKET"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Z-]+")  # RFC 9110, section 5.6.2
_CLASS = re.compile("[1-5]xx")


class Level(IntEnum):
    """How much of a request is recorded; each level includes those before it.

    METADATA: who, what, when, from where, how it ended. REQUEST: its headers and body, error messages. RESPONSE: those
    of the response.
    """

    NONE = 0
    METADATA = 1
    REQUEST = 2
    RESPONSE = 3


#: For where it matters: Python 3.11 takes a thousand instructions to look up a member of an enumeration.
NONE, REQUEST, RESPONSE = Level.NONE, Level.REQUEST, Level.RESPONSE


class Rule:
    """One line of a policy. Immutable.

    `methods`: HTTP methods, and `"WEBSOCKET"`; all if left out. `paths`: patterns as `/users/*`, `/users/{id}`,
    `/pay/**`. `statuses`: numbers or classes (`403`, `"5xx"`); such a rule is decided at the end of the request.
    `required`: without a durable entry in the journal the request is refused with 503.
    """

    __slots__ = ("level", "methods", "paths", "required", "statuses")

    def __init__(
        self,
        level: Level,
        *,
        methods: Iterable[str] | None = None,
        paths: Iterable[str] | None = None,
        statuses: Iterable[int | str] | None = None,
        required: bool = False,
    ) -> None:
        if not isinstance(level, Level):
            raise ConfigurationError("level", level, "give a Level, as in Rule(Level.METADATA)")
        self.level = level
        self.methods = None if methods is None else tuple(map(_method, _listed("methods", methods)))
        self.paths = None if paths is None else _listed("paths", paths)
        self.statuses = None if statuses is None else tuple(map(_status, _listed("statuses", statuses)))
        self.required = required
        self.pattern()  # a bad path is refused here, not at the first request
        if required and statuses is not None:
            raise ConfigurationError(
                "required", self, "the status is known only after the application has run; use methods= or paths="
            )
        if required and level is Level.NONE:
            raise ConfigurationError("required", self, "a rule that records nothing can't require a record")

    def pattern(self) -> str:
        """The regular expression that a whole path must match."""
        return "(?s:.*)" if self.paths is None else "|".join(map(path_regex, self.paths))

    def matches_status(self, status: int | None) -> bool:
        """Whether a request that ended with this status is meant; `None` if it ended without one."""
        if self.statuses is None:
            return True
        return status is not None and (status in self.statuses or f"{status // 100}xx" in self.statuses)

    @property
    def unconditional(self) -> bool:
        """Whether the rule matches every request."""
        return self.methods is None and self.paths is None and self.statuses is None

    def __repr__(self) -> str:
        parts = [f"Level.{self.level.name}"]
        for name in ("methods", "paths", "statuses"):
            if (value := getattr(self, name)) is not None:
                parts.append(f"{name}={list(value)}")
        if self.required:
            parts.append("required=True")
        return f"Rule({', '.join(parts)})"


_T = TypeVar("_T")


def _listed(argument: str, values: Iterable[_T]) -> tuple[_T, ...]:
    if isinstance(values, str | int):
        raise ConfigurationError(argument, values, f"give a list, as in {argument}=[{values!r}]")
    listed = tuple(values)
    if not listed:
        raise ConfigurationError(
            argument, [], f"an empty list matches nothing; leave {argument}= out to match everything"
        )
    return listed


def _method(method: object) -> str:
    if not isinstance(method, str) or not _TOKEN.fullmatch(method.upper()):
        raise ConfigurationError("methods", method, 'give HTTP methods, as in methods=["POST"]')
    return method.upper()


def _status(status: int | str) -> int | str:
    if isinstance(status, int) and 100 <= status <= 599:
        return status
    if isinstance(status, str) and _CLASS.fullmatch(status):
        return status
    raise ConfigurationError("statuses", status, 'give numbers from 100 to 599, or classes as in statuses=["4xx"]')
