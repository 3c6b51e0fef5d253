import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_audit.cli import main

MODULE = """
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule

policy = Policy([Rule(Level.NONE, paths=["/health"]), Rule(Level.REQUEST, methods=["POST"]), *Policy.denials])
trail = AuditTrail(print, policy=policy)

async def bare(scope, receive, send): ...

wrapped = AuditMiddleware(bare, trail)
under_another = GZipMiddleware(wrapped)
by_keyword = Starlette(middleware=[Middleware(GZipMiddleware), Middleware(AuditMiddleware, trail=trail)])
by_position = FastAPI(middleware=[Middleware(AuditMiddleware, trail)])
added = Starlette()
added.add_middleware(AuditMiddleware, trail=trail)
starlette_under_it = AuditMiddleware(Starlette(), trail)
by_sink = Starlette(middleware=[Middleware(AuditMiddleware, print)])
without = Starlette(middleware=[Middleware(GZipMiddleware)])

class Settings:
    trail = trail

class Circle:
    pass

circle = Circle()
circle.app = circle
"""


@pytest.fixture(autouse=True)
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module `shop` in a working directory that is not on the path, and one that can't be imported."""
    (tmp_path / "shop.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name in ("shop", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name",
    [
        "policy",
        "trail",
        "wrapped",
        "under_another",
        "by_keyword",
        "by_position",
        "added",
        "starlette_under_it",
        "Settings.trail",
    ],
)
def test_the_policy_is_found_wherever_the_trail_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the policy itself, a trail, a middleware, below other layers, and among those that a framework will build."""
    assert main(["explain", "post", "/users", "--app", f"shop:{name}"]) == 0
    assert capsys.readouterr().out.startswith("POST /users: REQUEST, by rule 2:")


def test_rules_that_wait_for_the_status_are_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A GET is not recorded, unless it is denied."""
    assert main(["explain", "GET", "/users", "--app", "shop:trail"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "GET /users: NONE, no rule matches"
    assert lines[1].startswith("  if it ends with 401 or 403: METADATA, by rule 3")


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was going on, here the import of an application that takes its time."""
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt")
    assert main(["explain", "GET", "/", "--app", "slow:app"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [[], ["--app", "shop:by_sink"]])
def test_without_a_policy_of_one_s_own_it_is_the_default(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Changes are recorded, reading is not; that this is the default is said when no application was named."""
    assert main(["explain", "DELETE", "/users/7", *arguments]) == 0
    text = capsys.readouterr().out
    assert "DELETE /users/7: METADATA, by rule 1" in text
    assert ("The default policy" in text) is (arguments == [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("shop:without", "shop:without has no audit policy; name an application under AuditMiddleware"),
        ("shop:circle", "shop:circle has no audit policy; name an application under AuditMiddleware"),
        ("shop:missing", "shop:missing: shop has no missing; name an application under AuditMiddleware"),
        ("shop", "shop: name an application under AuditMiddleware"),
        ("nowhere:app", "nowhere:app: can't import nowhere: ModuleNotFoundError: No module named 'nowhere'"),
        ("broken:app", "broken:app: can't import broken: ZeroDivisionError: division by zero"),
    ],
)
def test_what_has_no_policy_is_an_error_with_the_remedy(
    name: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with the exit code of a wrong argument."""
    assert main(["explain", "GET", "/", "--app", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1
