"""Starlette's own tests are the best description of what an application may do; here each runs under our middleware."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asgi_audit
from tests.starlette_suite.archive import unpack_suite

PLUGINS = Path(__file__).parent
SOURCE = Path(asgi_audit.__file__).parent.parent


def start(suite: Path, wrapper: str, report: Path) -> "subprocess.Popen[bytes]":
    """Start the suite with every application under a wrapper."""
    command = [sys.executable, "-m", "pytest", "tests", "-q", "-p", "every_app", "--wrapper", wrapper]
    # Starlette's suite runs its coroutines with anyio's plugin; what else is installed must not interfere.
    command += ["-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:cov", "--report", str(report)]
    command += ["--basetemp", str(report.with_suffix(".tmp"))]
    path = os.pathsep.join([str(PLUGINS), str(SOURCE)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"}
    with report.with_suffix(".txt").open("w") as output:
        return subprocess.Popen(command, cwd=suite, env=environment, stdout=output, stderr=subprocess.STDOUT)


@pytest.mark.timeout(300)  # two runs of some 1,400 tests; alone a quarter of a minute each
def test_starlettes_own_suite_sees_no_difference(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Each test of Starlette has the same outcome under a no-op wrapper and when AuditMiddleware records all."""
    assert pytestconfig.cache is not None
    suite = unpack_suite(pytestconfig.cache.mkdir("starlette"), tmp_path)
    reports = {wrapper: tmp_path / f"{wrapper}.json" for wrapper in ("noop", "audit")}
    runs = [start(suite, wrapper, report) for wrapper, report in reports.items()]
    for run in runs:
        run.wait()
    output = {wrapper: report.with_suffix(".txt").read_text() for wrapper, report in reports.items()}
    assert all(report.exists() for report in reports.values()), output
    results = {wrapper: json.loads(report.read_text(encoding="utf-8")) for wrapper, report in reports.items()}

    noop, audit = results["noop"]["outcomes"], results["audit"]["outcomes"]
    names = {*noop, *audit}
    differences = {name: (noop.get(name), audit.get(name)) for name in names if noop.get(name) != audit.get(name)}
    assert differences == {}, output["audit"]
    assert sum(outcome.get("call") == "passed" for outcome in audit.values()) > 1400
    assert results["noop"]["kinds"] == {}
    assert results["audit"]["problems"] == []
    assert results["audit"]["kinds"]["http"] > 1000
    assert results["audit"]["kinds"]["websocket"] > 100
