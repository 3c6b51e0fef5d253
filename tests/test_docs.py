"""What the pages show works: every Python block is run, page by page, from top to bottom."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import asgi_audit
import asgi_audit.anchors
import asgi_audit.sealing
import asgi_audit.signing
import asgi_audit.sqlalchemy
import asgi_audit.testing
import asgi_audit.verification
from asgi_audit import AuditMiddleware, AuditTrail

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
#: Parts of an Alembic environment, and views that do not end; files of a test suite, which test_pytest_plugin.py runs.
PIECES = {"docs/store.md", "docs/testing.md"}
WITH_CODE = [
    page for page in PAGES if page not in PIECES and "```python\n" in (ROOT / page).read_text(encoding="utf-8")
]


class Reader:
    """Somebody who types in a page's blocks one after the other."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.names: dict[str, Any] = {"__name__": "page"}

    def type_in(self) -> None:
        """Run the blocks; what a block has recorded is delivered before the next one."""
        text = (
            (ROOT / self.page).read_text(encoding="utf-8").replace("postgresql://audit@db/audit", "sqlite:///audit.db")
        )
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            # A page shows `async with` where its reader is in a coroutine already.
            code = compile(block, self.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if inspect.iscoroutine(waiting := eval(code, self.names)):
                asyncio.run(waiting)
            for trail in self.trails():
                trail.flush()

    def trails(self) -> list[AuditTrail]:
        """The trails that the page has made."""
        found = [each.trail for each in self.names.values() if isinstance(each, AuditMiddleware)]
        return found + [each for each in self.names.values() if isinstance(each, AuditTrail)]


@pytest.mark.parametrize("page", WITH_CODE)
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, arguments and imports are those of this version; a page's own tests pass."""
    monkeypatch.chdir(tmp_path)
    reader = Reader(page)
    try:
        reader.type_in()
        for test in [each for name, each in reader.names.items() if name.startswith("test_")]:
            test()
    finally:
        for trail in reader.trails():
            trail.close()


@pytest.mark.parametrize(
    "module",
    [
        asgi_audit,
        asgi_audit.anchors,
        asgi_audit.sealing,
        asgi_audit.signing,
        asgi_audit.sqlalchemy,
        asgi_audit.testing,
        asgi_audit.verification,
    ],
    ids=lambda each: each.__name__,
)
def test_every_public_name_is_in_the_reference(module: Any) -> None:
    """Nobody has to read the source to learn what there is."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\.\. auto\w+:: (?:asgi_audit\.\w+\.)?(\w+)$", text, re.MULTILINE))
    own = {name for name, each in vars(module).items() if getattr(each, "__module__", None) == module.__name__}
    names = set(getattr(module, "__all__", own))
    assert {name for name in names if not name.startswith("_")} - listed == set()


def test_links_between_pages_lead_somewhere() -> None:
    """README and CHANGELOG are no part of the built documentation, which checks its own links."""
    for page in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / link).exists(), f"{page}: {link}"


def test_promises_name_tests_that_exist() -> None:
    """A promise whose tests have moved away would be a claim like any other."""
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    assert len(named) > 10


def test_kinds_of_failures_are_those_of_the_source() -> None:
    """Whoever alerts on a kind has copied it from the page, word for word."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("| kind | what it means |")[2].partition("\n\n")[0]
    kinds = [kind for row in table.splitlines() for kind in re.findall("`([^`]+)`", row.partition(" | ")[0])]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "asgi_audit").rglob("*.py"))
    parts = [part for kind in kinds for part in re.split("NAME|PATH", kind)]
    assert len(kinds) > 20
    assert [part for part in parts if part not in source] == []
