"""The pytest plugin, as the tests of an application see it: each test here runs a pytest of its own."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

pytest_plugins = "pytester"

ROOT = Path(__file__).parent.parent
# As the entry point loads it, under another name, so that an installation that has the entry point can't load it twice.
LOADED = ["-p", "no:asgi_audit", "-p", "asgi_audit.pytest_plugin", "-p", "no:cacheprovider"]
LOADED += ["-o", "asyncio_default_fixture_loop_scope=function"]  # pytest-asyncio warns unless it is said
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")

AUDITED = """
    from asgi_audit import Actor, Target

    def test_one(audit_trail, assert_audited):
        audit_trail.event("invoice.approve", actor=Actor("42", type="user"), target=Target("7"))
        assert assert_audited(action="invoice.approve", actor="42").targets == [Target("7")]
        assert assert_audited(times=1) == audit_trail.records

    def test_other(audit_trail, assert_audited):
        assert_audited(times=0)
"""


def test_the_trail_is_new_for_each_test(pytester: pytest.Pytester) -> None:
    """What one test records, another does not see."""
    pytester.makepyfile(AUDITED)
    pytester.runpytest_inprocess(*LOADED).assert_outcomes(passed=2)


def test_a_failure_shows_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    """And the nearest record, but none of our own lines."""
    pytester.makepyfile("""
        def test_it(audit_trail, assert_audited):
            audit_trail.event("invoice.approve", actor="7")
            assert_audited(action="invoice.approve", actor="42")
    """)
    result = pytester.runpytest_inprocess(*LOADED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       assert_audited(action=*",
            "E       AssertionError: expected 1 such record, found 0 among 1; the nearest (- expected, + recorded):",
            "E       record 1, event: invoice.approve, success",
            "E           action  'invoice.approve'",
            "E         - actor   '42'",
            "E         [+] actor   Actor('7', source='event')",
            "test_a_failure_shows_the_line_of_the_test.py:3: AssertionError",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*raise AssertionError*")


def test_the_page_is_right(pytester: pytest.Pytester) -> None:
    """The files that it shows are tests that pass; what it shows of a failure is what a failure shows."""
    files = re.findall(r"```python\n# (.*)\n([^`]*)```", PAGE)
    for name, text in files:
        path = pytester.path / name.replace("conftest.py, of other tests", "other/conftest.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makepyfile(
        test_failure="""
        from fastapi.testclient import TestClient
        from shop import create_app

        def test_it(audit_trail, assert_audited):
            TestClient(create_app(audit_trail)).post("/invoices/2026-117/approve?user=7")
            assert_audited(action="invoice.approve", actor="42", outcome="success")
        """
    )
    (pytester.path / "other" / "test_policy.py").write_text(
        "def test_it(audit_trail, assert_audited):\n"
        "    assert audit_trail.policy.explain('POST', '/a').verdict.level(200).name == 'REQUEST'\n",
        encoding="utf-8",
    )
    result = pytester.runpytest_subprocess(*LOADED, "-W", "error")
    result.assert_outcomes(passed=6, failed=1)
    shown = PAGE.partition("```text\n")[2].partition("```")[0]
    assert _errors(result.outlines) == _errors(shown.splitlines())
    assert not (pytester.path / "audit.db").exists()


def _errors(lines: list[str]) -> list[str]:
    """What pytest says of an error; how far it indents that is its own affair."""
    return [re.sub("^E +", "E ", line).rstrip() for line in lines if re.match("E( |$)", line)]


def test_it_works_beside_other_plugins(pytester: pytest.Pytester) -> None:
    """In the worker processes of pytest-xdist, and in the coroutines of pytest-asyncio, whose loop it does not stop."""
    pytester.makepyfile("""
        import asyncio
        import httpx
        import pytest
        from asgi_audit import AuditMiddleware

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", range(6))
        async def test_it(number, audit_trail, assert_audited):
            transport = httpx.ASGITransport(AuditMiddleware(app, audit_trail))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                await asyncio.gather(*(client.delete(f"/{each}") for each in range(number)))
            assert_audited(times=number, method="DELETE", status=204)
    """)
    result = pytester.runpytest_subprocess(*LOADED, "-W", "error", "-n", "2", "-o", "asyncio_mode=strict")
    result.assert_outcomes(passed=6)


def test_installed_it_does_nothing(pytester: pytest.Pytester) -> None:
    """No hook, no option, no marker; its fixtures run for those who ask; it brings no database and no framework."""
    pytester.makepyfile("""
        import sys

        def test_it(request):
            plugin = request.config.pluginmanager.getplugin("asgi_audit.pytest_plugin")
            assert request.config.pluginmanager.get_hookcallers(plugin) == []
            assert "audit_trail" not in request.fixturenames
            assert not {"sqlalchemy", "starlette", "fastapi", "django", "rich"} & sys.modules.keys()
    """)
    plugins = [f"-pno:{name}" for name in ("anyio", "asyncio", "cov", "hypothesispytest", "timeout", "xdist")]
    pytester.runpytest_subprocess(*LOADED, *plugins).assert_outcomes(passed=1)


def test_pytest_finds_it() -> None:
    """By its entry point, which names a module that exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"asgi_audit": "asgi_audit.pytest_plugin"}


def test_it_is_not_loaded_here() -> None:
    """Installed plugins are loaded before coverage is measured: then ours would seem to be run by no test."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    options = project["tool"]["pytest"]["ini_options"]["addopts"]
    assert ("-p", "no:asgi_audit") in itertools.pairwise(options)
