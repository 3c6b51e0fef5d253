"""`asgi-audit coverage`: a route that changes something, and that nobody records, fails the CI of its application."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_audit.cli import main

MODULE = """
from fastapi import FastAPI, WebSocket
from starlette.middleware.gzip import GZipMiddleware
from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule, Target, audited
from asgi_audit.contrib.fastapi import install

def make():
    app = FastAPI()

    @app.post("/invoices/{number}/approve")
    @audited("invoice.approve", target=lambda number: Target(number))
    def approve(number: str): ...

    @app.put("/health")
    @app.get("/health")
    def health(): ...

    @app.websocket("/chat")
    async def chat(socket: WebSocket): ...

    return app

probes = Rule(Level.NONE, paths=["/health"])
unrecorded = AuditTrail(print, policy=Policy([probes, *Policy.mutations]))
everything = AuditTrail(print)
failures = AuditTrail(print, policy=Policy([Rule(Level.METADATA, statuses=["4xx", "5xx"])]))
successes = AuditTrail(print, policy=Policy([Rule(Level.NONE, statuses=[204]), *Policy.mutations]))
detailed = AuditTrail(print, policy=Policy([Rule(Level.REQUEST, methods=["PUT"]), *Policy.mutations]))
durable = AuditTrail(
    print, journal="journal", policy=Policy([Rule(Level.METADATA, methods=["POST"], required=True), *Policy.mutations])
)

wrapped = AuditMiddleware(make(), everything)
layered = GZipMiddleware(wrapped)
installed = install(make(), everything)
partial = install(make(), unrecorded)
of_failures = install(make(), failures)
but_some_successes = install(make(), successes)
with_details = install(make(), detailed)
with_required = install(make(), durable)
added = make()
added.add_middleware(AuditMiddleware, trail=everything)
empty = install(FastAPI(openapi_url=None), everything)

async def bare(scope, receive, send): ...

raw = AuditMiddleware(bare, everything)
without = make()
"""

ALL = """\
level     method     route                       action
METADATA  WEBSOCKET  /chat                       WEBSOCKET /chat
METADATA  PUT        /health                     PUT /health
METADATA  POST       /invoices/{number}/approve  invoice.approve
"""


@pytest.fixture(autouse=True)
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module `shop` in a working directory that is not on the path."""
    (tmp_path / "shop.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for trail in ("unrecorded", "everything", "failures", "successes", "detailed", "durable"):
        getattr(sys.modules["shop"], trail).close()
    del sys.modules["shop"]


@pytest.mark.parametrize("name", ["wrapped", "layered", "installed", "added"])
def test_all_that_changes_something_is_listed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its level and its action, wherever the audit is."""
    assert main(["coverage", f"shop:{name}"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ALL
    assert printed.err == "3 of 3 routes that change something are recorded.\n"


def test_what_is_not_recorded_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a CI stops, and the author reads what to do."""
    assert main(["coverage", "shop:partial"]) == 1
    printed = capsys.readouterr()
    assert "NONE      PUT        /health" in printed.out
    assert printed.err.splitlines() == [
        "2 of 3 routes that change something are recorded.",
        "not recorded: PUT /health: add a rule to the policy, or say that it is meant: --allow 'PUT /health'",
    ]


def test_what_is_left_out_on_purpose_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said so; a word that is not needed any more is refused, lest it hide the next one."""
    assert main(["coverage", "shop:partial", "--allow", "PUT /health"]) == 0
    assert capsys.readouterr().err == "2 of 3 routes that change something are recorded, 1 left out on purpose.\n"
    assert main(["coverage", "shop:installed", "--allow", "PUT /health"]) == 2
    assert "--allow 'PUT /health': there is no such route that is not recorded" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["of_failures", "but_some_successes"])
def test_a_success_must_be_recorded(name: str) -> None:
    """Whatever status it has: that a failure is recorded does not help."""
    assert main(["coverage", f"shop:{name}"]) == 1


@pytest.mark.parametrize(
    ("name", "route", "level"),
    [("with_details", "PUT /health", "REQUEST"), ("with_required", "POST /invoices", "METADATA, required")],
)
def test_the_level_is_that_of_the_policy(name: str, route: str, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And whether a record is required."""
    assert main(["coverage", f"shop:{name}"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " ".join(line.split()).find(route) >= 0]
    assert line.startswith(f"{level} ")


def test_programs_read_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per route."""
    assert main(["coverage", "shop:partial", "--allow", "PUT /health", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == {
        "level": "NONE",
        "method": "PUT",
        "route": "/health",
        "action": "PUT /health",
        "recorded": False,
        "allowed": True,
    }
    assert len(lines) == 3


def test_an_application_may_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Then there is nothing to list."""
    assert main(["coverage", "shop:empty"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "0 of 0 routes that change something are recorded.\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raw", "no application of a framework whose routes are known (blacksheep, django, falcon, fastapi, "),
        ("without", "has no audit policy"),
        ("nothing", "shop has no nothing"),
    ],
)
def test_what_cannot_be_judged_is_an_error(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a success."""
    assert main(["coverage", f"shop:{name}"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("framework", ["blacksheep", "falcon", "fastapi", "litestar", "quart", "sanic", "starlette"])
def test_the_examples_are_covered(
    framework: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every framework has its routes listed, with the action that is declared."""
    source = (Path(__file__).parents[2] / "examples" / framework / "app.py").read_text(encoding="utf-8")
    Path(f"{framework}_app.py").write_text(source, encoding="utf-8")
    main(["coverage", "shop:installed"])
    capsys.readouterr()
    try:
        assert main(["coverage", f"{framework}_app:app"]) == 0
    finally:
        sys.modules[f"{framework}_app"].trail.close()
        del sys.modules[f"{framework}_app"]
    printed = capsys.readouterr()
    assert printed.err == "7 of 7 routes that change something are recorded.\n"
    assert "invoice.approve" in printed.out
