"""What all adapters have in common."""

import importlib
import subprocess
import sys

import pytest

FRAMEWORKS = ["blacksheep", "django", "falcon", "fastapi", "litestar", "quart", "sanic", "starlette"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_missing_framework_is_an_install_line(framework: str) -> None:
    """Whoever imports an adapter without its framework is told what to install."""
    code = f"""
import sys
sys.modules[{framework!r}] = None
try:
    import asgi_audit.contrib.{framework}
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"asgi_audit.contrib.{framework} needs " in run.stdout
    assert f"pip install '{framework}>=" in run.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_adapters_have_the_same_two_functions(framework: str) -> None:
    """Who knows one knows all."""
    module = importlib.import_module(f"asgi_audit.contrib.{framework}")
    assert callable(module.install)
    assert callable(module.routes)
