"""The shape of the source: which way imports point, how long files get, what an import of the package costs."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import asgi_audit

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "asgi_audit"

# Each noun's layer. A module imports its own layer or a lower one.
LAYERS = {
    # 0: words
    **dict.fromkeys(["_types", "errors", "ids", "interruption", "process", "record"], 0),
    # 1: pure logic, no I/O, no asyncio
    **dict.fromkeys(["apikey", "audited", "client", "context", "draft", "endings", "escape", "exclusion"], 1),
    **dict.fromkeys(["facts", "factory", "failures", "literals", "snapshot"], 1),
    **dict.fromkeys(["health", "identity", "integrity", "mounts", "notes", "opening", "paths", "policy"], 1),
    **dict.fromkeys(["redaction", "routing", "rule", "store", "tally", "trace", "user"], 1),
    # 2: moving records
    **dict.fromkeys(["anchors", "delivery", "journal", "sinks", "verification"], 2),
    # 3: the gate
    **dict.fromkeys(["configuration", "handover", "settling", "trail", "waiting"], 3),
    # 4: ASGI
    **dict.fromkeys(["exchange", "lastword", "lifespan", "middleware", "refusal", "websocket"], 4),
    # 5: edges, at most one optional dependency each; they may use the public names as any user does
    **dict.fromkeys(["changes", "contrib", "pytest_plugin", "sealing", "signing", "sqlalchemy", "testing"], 5),
    **dict.fromkeys(["__init__", "__main__", "cli", "demo"], 5),
}
EDGE = 5
NAMES_EDGES_BY_STRING = {"sinks/__init__.py", "cli"}  # a file or a directory
IMPORTS_IN_FUNCTIONS = {"cli"}
MOST_LINES = 300


def module_of(path: Path) -> str:
    """Return a file's dotted name; that of an `__init__.py` is its package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {module_of(path) for path in FILES}

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


class Import(NamedTuple):
    """One module of ours that a file imports, perhaps for a type checker alone."""

    module: str
    line: int
    typing_only: bool


def noun(module: str) -> str:
    """Return the top-level name under the package that a module belongs to."""
    return [*module.split("."), "__init__"][1]


def within(path: Path, places: set[str]) -> bool:
    """Tell whether a file is, or lies under, one of the places."""
    relative = path.relative_to(PACKAGE)
    return str(relative) in places or relative.parts[0] in places


def resolve(path: Path, node: ast.ImportFrom) -> str:
    """Return the absolute name of the module that a `from` statement names."""
    package = path.parent.relative_to(PACKAGE.parent).parts
    above = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


def imports(path: Path) -> Iterator[Import]:
    """Yield what a file imports of the package, a `from package import module` as the module."""

    def visit(node: ast.AST, typing_only: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = resolve(path, node)
            below = [f"{source}.{alias.name}" for alias in node.names]
            targets = [name if name in MODULES else source for name in below]
        else:
            targets = []
        for target in targets:
            if target.split(".")[0] == PACKAGE.name:
                yield Import(target, getattr(node, "lineno", 0), typing_only)
        typing_only |= isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            yield from visit(child, typing_only)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


@every_file
def test_imports_point_down(path: Path) -> None:
    """A module imports its own layer or a lower one, for types as well."""
    here = noun(module_of(path))
    assert here in LAYERS, f"{here} has no layer: add it to LAYERS in {Path(__file__).name}"
    up = [
        f"line {found.line}: {found.module}"
        for found in imports(path)
        if here != "__init__" and LAYERS.get(noun(found.module), 0) > LAYERS[here]
    ]
    assert up == []


@pytest.mark.parametrize("name", [str, noun], ids=["modules", "nouns"])
def test_imports_make_no_cycle(name: Callable[[str], str]) -> None:
    """Neither modules nor nouns import each other in a circle; what only a type checker reads does not count."""
    graph: dict[str, set[str]] = {}
    for path in FILES:
        here = name(module_of(path))
        there = {name(found.module) for found in imports(path) if not found.typing_only}
        graph.setdefault(here, set()).update(there - {here})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@every_file
def test_imports_stand_at_the_top(path: Path) -> None:
    """No import hides in a function, where it would hide a cycle or a cost; the command line may, to start fast."""
    source = ast.parse(path.read_text(encoding="utf-8"))
    hidden = [
        f"line {statement.lineno}: {ast.unparse(statement)}"
        for function in ast.walk(source)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    assert hidden == [] or within(path, IMPORTS_IN_FUNCTIONS)


@every_file
def test_edges_are_named_in_two_places_only(path: Path) -> None:
    """Only the table of URL schemes and the command line name an edge module by a string; an edge may name itself."""
    edges = "|".join(name for name, layer in LAYERS.items() if layer == EDGE and name != noun(module_of(path)))
    named = [
        f"line {node.lineno}: {node.value}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(rf"asgi_audit\.({edges})([.:][\w.:]*)?", node.value)
    ]
    assert named == [] or within(path, NAMES_EDGES_BY_STRING)


@every_file
def test_no_file_is_long(path: Path) -> None:
    """A file that outgrows the limit has a second noun in it."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("directory", ["src", "tests", "examples", "docs"])
def test_nothing_is_left_for_later(directory: str) -> None:
    """No file carries a note to self: what is not done is an issue, not a comment."""
    notes = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "HA" + "CK:"]))
    files = [path for path in (ROOT / directory).rglob("*") if path.suffix in {".py", ".md"}]
    assert [str(path) for path in files if notes.search(path.read_text(encoding="utf-8"))] == []


def test_public_names_are_listed() -> None:
    """`__all__` is sorted and every name in it exists."""
    assert asgi_audit.__all__ == sorted(asgi_audit.__all__)
    assert [name for name in asgi_audit.__all__ if not hasattr(asgi_audit, name)] == []


def test_importing_the_package_is_cheap() -> None:
    """`import asgi_audit` loads nothing from outside the standard library but the two core dependencies."""
    code = "import sys; before = set(sys.modules); import asgi_audit; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert loaded - sys.stdlib_module_names <= {"asgi_audit", "asgiref", "msgspec", "typing_extensions"}
