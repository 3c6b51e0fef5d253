"""Which requests are recorded, and how much of them: ordered rules, the first match wins."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple, TypeAlias

from asgi_audit._types import Scope
from asgi_audit.errors import ConfigurationError
from asgi_audit.rule import NONE, WEBSOCKET, Level, Rule


class Verdict(NamedTuple):
    """What a policy says at the start of a request.

    `rule` decides unless one of `conditional` matches the status in the end; no rule means `Level.NONE`. `capture` is
    the highest level that may still come out.
    """

    rule: Rule | None
    conditional: tuple[Rule, ...] = ()
    capture: Level = Level.NONE

    def level(self, status: int | None) -> Level:
        """The level of a request that ended with this status."""
        for rule in self.conditional:
            if rule.matches_status(status):
                return rule.level
        return NONE if self.rule is None else self.rule.level


class Explanation(NamedTuple):
    """Why a request is recorded or not; `str()` of it is for people."""

    method: str
    path: str
    verdict: Verdict
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        lines = [f"{self.method} {self.path}: {self._reason(self.verdict.rule)}"]
        for rule in self.verdict.conditional:
            lines.append(f"  if it ends with {' or '.join(map(str, rule.statuses or ()))}: {self._reason(rule)}")
        return "\n".join(lines)

    def _reason(self, rule: Rule | None) -> str:
        if rule is None:
            return "NONE, no rule matches"
        return (
            f"{rule.level.name}{', required' if rule.required else ''}, by rule {self.rules.index(rule) + 1}: {rule!r}"
        )


class Policy:
    """Ordered rules, the first match wins; what no rule matches is not recorded. Immutable, thread-safe.

    A method that no rule with paths applies to is decided by one dictionary look-up, the rest by one regular
    expression.
    """

    mutations: ClassVar[tuple[Rule, ...]] = (
        Rule(Level.METADATA, methods=["POST", "PUT", "PATCH", "DELETE"]),
        Rule(Level.METADATA, methods=[WEBSOCKET]),
    )
    denials: ClassVar[tuple[Rule, ...]] = (Rule(Level.METADATA, statuses=[401, 403]),)
    everything: ClassVar[tuple[Rule, ...]] = (Rule(Level.METADATA),)

    def __init__(self, rules: Iterable[Rule] = mutations) -> None:
        self.rules = tuple(rules)
        for number, rule in enumerate(self.rules, 1):
            if not isinstance(rule, Rule):
                raise ConfigurationError("rules", rule, "give Rule objects, as in Policy([Rule(Level.METADATA)])")
            if rule.unconditional and number < len(self.rules):
                raise ConfigurationError(
                    "rules",
                    rule,
                    f"rule {number} matches everything, the rules after it never apply; move it to the end",
                )
        named = {method for rule in self.rules for method in rule.methods or ()}
        self._by_method = {method: _compile(self.rules, method) for method in named}
        self._other = _compile(self.rules, None)

    def decide(self, scope: Scope) -> Verdict:
        """The verdict on an `http` or `websocket` scope. `delete` is DELETE: servers pass it, frameworks run it."""
        decision = self._by_method.get(scope.get("method", WEBSOCKET).upper(), self._other)
        return decision if isinstance(decision, Verdict) else decision(scope["path"])

    def explain(self, method: str, path: str) -> Explanation:
        """Which rule decides a request, for people."""
        method = method.upper()
        return Explanation(method, path, self.decide({"method": method, "path": path}), self.rules)

    @property
    def required(self) -> tuple[Rule, ...]:
        """The rules that refuse a request which can't be recorded."""
        return tuple(rule for rule in self.rules if rule.required)

    def __repr__(self) -> str:
        return f"Policy({list(self.rules)!r})"


_Decision: TypeAlias = Verdict | Callable[[str], Verdict]
_NOTHING = Verdict(None)


def _compile(rules: Iterable[Rule], method: str | None) -> _Decision:
    """The rules for one method as a constant, or as a function of the path. Built from the last rule to the first."""
    decision: _Decision = _NOTHING
    patterns: list[str] = []
    decisions: list[_Decision] = []
    for rule in reversed([rule for rule in rules if rule.methods is None or method in rule.methods]):
        matched = _combine(rule, decision)
        patterns.insert(0, rule.pattern())
        decisions.insert(0, matched)
        decision = matched if rule.paths is None else _by_path(patterns, decisions.copy())
    return decision


def _by_path(patterns: Sequence[str], decisions: Sequence[_Decision]) -> Callable[[str], Verdict]:
    match = re.compile("|".join(f"({pattern})" for pattern in patterns)).fullmatch

    def decide(path: str) -> Verdict:
        found = match(path)
        if found is None or found.lastindex is None:
            return _NOTHING
        return _resolve(decisions[found.lastindex - 1], path)

    return decide


def _resolve(decision: _Decision, path: str) -> Verdict:
    return decision if isinstance(decision, Verdict) else decision(path)


def _combine(rule: Rule, after: _Decision) -> _Decision:
    """What is decided where `rule` matches: if it waits for the status, the rules after it have their say too."""
    if rule.statuses is None:
        return Verdict(rule, (), rule.level)
    if isinstance(after, Verdict):
        return Verdict(after.rule, (rule, *after.conditional), max(rule.level, after.capture))
    return lambda path: _resolve(_combine(rule, after(path)), path)
