"""Policies: ordered rules, the first match wins."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import ConfigurationError, Level, Policy, Rule
from asgi_audit.paths import path_regex
from asgi_audit.rule import WEBSOCKET

BILLING = Policy(
    [
        Rule(Level.NONE, paths=["/health", "/metrics/**"]),
        Rule(Level.RESPONSE, methods=["POST"], paths=["/payments/**"], statuses=["5xx"]),
        Rule(Level.REQUEST, methods=["POST"], paths=["/payments/**"], required=True),
        *Policy.mutations,
        *Policy.denials,
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "status", "level"),
    [
        ("GET", "/health", 403, Level.NONE),
        ("POST", "/health", 200, Level.NONE),
        ("POST", "/metrics/cpu/load", 200, Level.NONE),
        ("POST", "/payments", 201, Level.REQUEST),
        ("POST", "/payments/7/refund", 201, Level.REQUEST),
        ("POST", "/payments/7/refund", 503, Level.RESPONSE),
        ("POST", "/paymentsandmore", 201, Level.METADATA),
        ("PUT", "/payments/7", 200, Level.METADATA),
        ("PATCH", "/users/7", 500, Level.METADATA),
        ("DELETE", "/users/7", None, Level.METADATA),
        ("delete", "/users/7", 200, Level.METADATA),
        ("GET", "/users/7", 200, Level.NONE),
        ("GET", "/users/7", 401, Level.METADATA),
        ("GET", "/users/7", 403, Level.METADATA),
        ("GET", "/users/7", None, Level.NONE),
        ("HEAD", "/users/7", 404, Level.NONE),
        ("PROPFIND", "/users/7", 403, Level.METADATA),
        (WEBSOCKET, "/chat", None, Level.METADATA),
    ],
)
def test_the_first_matching_rule_decides(method: str, path: str, status: int | None, level: Level) -> None:
    """A request's level is that of the first rule whose method, path and status all match."""
    assert BILLING.decide({"method": method, "path": path}).level(status) is level


def test_a_websocket_scope_has_no_method() -> None:
    """A scope without a method is a websocket, which the default policy records."""
    assert Policy().decide({"type": "websocket", "path": "/chat"}).level(None) is Level.METADATA


def test_the_default_policy_is_mutations() -> None:
    """Left out, the rules are those for POST, PUT, PATCH, DELETE and websockets."""
    assert Policy().rules == Policy.mutations


def test_everything_records_everything() -> None:
    """The preset `everything` records any method at METADATA."""
    assert Policy(Policy.everything).decide({"method": "GET", "path": "/"}).level(200) is Level.METADATA


def test_a_policy_without_rules_records_nothing() -> None:
    """No rules, no records."""
    assert Policy([]).decide({"method": "POST", "path": "/"}).capture is Level.NONE


def test_capture_is_what_the_highest_rule_may_still_ask_for() -> None:
    """Until the status is known, as much is captured as any rule that may match wants."""
    assert BILLING.decide({"method": "POST", "path": "/payments"}).capture is Level.RESPONSE
    assert BILLING.decide({"method": "GET", "path": "/users"}).capture is Level.METADATA


rules = st.builds(
    Rule,
    st.sampled_from(Level),
    methods=st.none() | st.lists(st.sampled_from(["GET", "POST", "DELETE"]), min_size=1, max_size=2),
    paths=st.none() | st.lists(st.sampled_from(["/a", "/a/*", "/a/**", "/{x}", "/a/{x}/b"]), min_size=1, max_size=2),
    statuses=st.none() | st.lists(st.sampled_from([200, 403, "4xx", "5xx"]), min_size=1, max_size=2),
)
STANDS_FOR = {"/a": ["/a"], "/a/*": ["/a/x"], "/a/**": ["/a", "/a/x", "/a/x/b"], "/{x}": ["/a"], "/a/{x}/b": ["/a/x/b"]}


@given(
    st.lists(rules, max_size=6).filter(lambda each: not any(rule.unconditional for rule in each[:-1])),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(["/a", "/a/x", "/a/x/b", "/other/place"]),
    st.sampled_from([200, 403, 404, 500, None]),
)
def test_compiled_rules_decide_as_a_list_would(each: list[Rule], method: str, path: str, status: int | None) -> None:
    """Whatever the rules, the answer is that of going through them one by one."""

    def matches(rule: Rule) -> bool:
        meant = [known for pattern in rule.paths or () for known in STANDS_FOR[pattern]]
        return (
            (rule.methods is None or method in rule.methods)
            and (rule.paths is None or path in meant)
            and rule.matches_status(status)
        )

    expected = next((rule.level for rule in each if matches(rule)), Level.NONE)
    verdict = Policy(each).decide({"method": method, "path": path})
    assert verdict.level(status) is expected
    assert verdict.capture >= expected


def test_explain_names_the_rule_by_its_number() -> None:
    """The explanation says which rule decides, and what may still depend on the status."""
    assert str(BILLING.explain("post", "/payments/7")) == (
        "POST /payments/7: REQUEST, required, by rule 3: "
        "Rule(Level.REQUEST, methods=['POST'], paths=['/payments/**'], required=True)\n"
        "  if it ends with 5xx: RESPONSE, by rule 2: "
        "Rule(Level.RESPONSE, methods=['POST'], paths=['/payments/**'], statuses=['5xx'])"
    )
    assert str(Policy().explain("GET", "/")) == "GET /: NONE, no rule matches"


def test_a_policy_shows_its_rules() -> None:
    """The repr of a policy is the call that makes it, and the required rules are known."""
    assert repr(Policy(Policy.denials)) == "Policy([Rule(Level.METADATA, statuses=[401, 403])])"
    assert BILLING.required == (BILLING.rules[2],)


@pytest.mark.parametrize(
    ("pattern", "paths", "others"),
    [
        ("/", ["/"], ["", "/a"]),
        ("/users", ["/users"], ["/users/", "/user", "/users/7"]),
        ("/users/*", ["/users/7"], ["/users", "/users/", "/users/7/x"]),
        ("/users/{id}", ["/users/7", "/users/a b"], ["/users/", "/users/7/x"]),
        ("/users/{id:int}/name", ["/users/7/name"], ["/users/name"]),
        ("/files/{rest:path}", ["/files", "/files/a/b"], ["/filesystem"]),
        ("/files/*.pdf", ["/files/a.pdf", "/files/.pdf"], ["/files/a.pdfx", "/files/a/b.pdf", "/files/apdf"]),
        ("/**", ["", "/", "/a/b"], []),
        ("/a/**/z", ["/a/z", "/a/b/c/z"], ["/a/zz", "/a/b/z/c", "/az"]),
        ("/a/**/m/**/z", ["/a/m/z", "/a/m/m/x/z"], ["/a/z/m", "/a/mm/z"]),
        ("/a/**/**/z", ["/a/z", "/a/b/z"], ["/a"]),
        ("/a.b/(c)", ["/a.b/(c)"], ["/axb/c"]),
        ("/a/**", ["/a", "/a/\n/b"], ["/b"]),
    ],
)
def test_path_patterns(pattern: str, paths: list[str], others: list[str]) -> None:
    """`*` stays within a segment, `{name}` is a segment, `**` any number of them; a pattern matches the whole path."""
    policy = Policy([Rule(Level.METADATA, paths=[pattern])])
    assert [path for path in [*paths, *others] if policy.decide({"method": "GET", "path": path}).rule] == paths


def test_hostile_paths_take_linear_time() -> None:
    """A path made to backtrack through many `**` ends: each is matched leftmost and kept."""
    policy = Policy([Rule(Level.METADATA, paths=["/**/a/**/a/**/a/**/a/**/a/**/z"])])
    assert policy.decide({"method": "GET", "path": "/a" * 20_000}).rule is None


def rule(level: Any = Level.METADATA, **options: Any) -> Rule:
    """A rule without the help of a type checker."""
    return Rule(level, **options)


def policy(*given_rules: Any) -> Policy:
    """A policy without the help of a type checker."""
    return Policy(given_rules)


@pytest.mark.parametrize(
    ("make", "argument", "remedy"),
    [
        (lambda: rule(1), "level", "Level"),
        (lambda: rule(methods="POST"), "methods", "give a list"),
        (lambda: rule(methods=[]), "methods", "leave methods= out"),
        (lambda: rule(methods=["PO ST"]), "methods", "HTTP methods"),
        (lambda: rule(methods=[None]), "methods", "HTTP methods"),
        (lambda: rule(paths="/x"), "paths", "give a list"),
        (lambda: rule(paths=["users"]), "paths", "begins with"),
        (lambda: rule(paths=["/users?x=1"]), "paths", "leave out the query"),
        (lambda: rule(paths=["/users/x**"]), "paths", "whole segment"),
        (lambda: rule(paths=["/users/x{id}"]), "paths", "whole segment"),
        (lambda: rule(statuses=403), "statuses", "give a list"),
        (lambda: rule(statuses=[]), "statuses", "leave statuses= out"),
        (lambda: rule(statuses=[99]), "statuses", "100 to 599"),
        (lambda: rule(statuses=["6xx"]), "statuses", "100 to 599"),
        (lambda: rule(statuses=[403], required=True), "required", "only after"),
        (lambda: rule(Level.NONE, required=True), "required", "records nothing"),
        (lambda: policy(Level.METADATA), "rules", "Rule objects"),
        (lambda: policy(*Policy.everything, *Policy.denials), "rules", "move it to the end"),
    ],
)
def test_bad_rules_are_refused_with_the_remedy(make: Callable[[], object], argument: str, remedy: str) -> None:
    """A rule that can't work raises where it is written, with the argument, its value, and what to write instead."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.argument == argument
    assert remedy in str(caught.value)


def test_a_pattern_has_no_groups_of_its_own() -> None:
    """A policy counts the groups of one alternation, so a pattern may not add any."""
    assert "(?" in path_regex("/a/**/b/**/c")
    assert path_regex("/a/**/b/**/c").replace("(?", "").count("(") == 0
