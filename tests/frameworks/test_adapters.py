"""What all adapters have in common."""

import importlib.util
import sys

import pytest

FRAMEWORKS = ["blacksheep", "django", "falcon", "fastapi", "litestar", "quart", "sanic", "starlette"]


@pytest.mark.parametrize("module", [*FRAMEWORKS, "django_changes"])
def test_a_missing_framework_is_an_install_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports an adapter without its framework is told what to install."""
    framework = module.partition("_")[0]
    for name in list(sys.modules):
        if name.partition(".")[0] == framework:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, framework, None)
    spec = importlib.util.find_spec(f"asgi_audit.contrib.{module}")
    assert spec is not None
    assert spec.loader is not None
    line = rf"asgi_audit\.contrib\.{module} needs \w+: pip install '{framework}>=[\d.]+'"
    with pytest.raises(ImportError, match=line):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_adapters_have_the_same_two_functions(framework: str) -> None:
    """Who knows one knows all."""
    module = importlib.import_module(f"asgi_audit.contrib.{framework}")
    assert callable(module.install)
    assert callable(module.routes)
