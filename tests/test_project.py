"""What the project ships and how it is built: facts that no other test would miss until a user does."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the source archive once, and return the directory that holds the two."""
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return directory


@pytest.fixture
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """Open the built wheel."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Parse the wheel's metadata."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def requirements(metadata: Message, extra: str) -> set[str]:
    """Return the names of what one extra installs, the package's own extras resolved; "" is the core."""
    found: set[str] = set()
    for requirement in map(Requirement, metadata.get_all("Requires-Dist", [])):
        wanted = requirement.marker.evaluate({"extra": extra}) if requirement.marker else extra == ""
        if wanted and requirement.name == "asgi-audit":
            found |= set().union(*(requirements(metadata, own) for own in requirement.extras))
        elif wanted:
            found.add(requirement.name)
    return found


def pins() -> dict[str, Requirement]:
    """Read the constraints file: one exact version per package, perhaps with a marker, and nothing else."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    assert len({pin.name for pin in found}) == len(found), "a package has one version, whatever the Python"
    return {pin.name: pin for pin in found}


def test_wheel_holds_the_package_alone(wheel: zipfile.ZipFile) -> None:
    """The wheel carries the source, the typing marker and the licence, and no other top-level name."""
    names = wheel.namelist()
    assert "asgi_audit/py.typed" in names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")] != []
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"asgi_audit"}


def test_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    """The command `asgi-audit` and the pytest plugin; our own sinks need no installed metadata."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert wheel.read(name).decode().split() == [
        *["[console_scripts]", "asgi-audit", "=", "asgi_audit.cli:main"],
        *["[pytest11]", "asgi_audit", "=", "asgi_audit.pytest_plugin"],
    ]


def test_source_archive_can_test_itself(built: Path) -> None:
    """The source archive has what `python3 dev.py test` needs, and nothing that a build leaves behind."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    needed = {"dev.py", "constraints.txt", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "docs/conf.py"}
    assert needed | {"tests/test_project.py", "src/asgi_audit/py.typed"} <= names
    assert [name for name in names if re.search(r"__pycache__|docs/_build|\.venv", name)] == []


def test_licence_and_pythons(metadata: Message) -> None:
    """The metadata names the licence and every Python that the workflows test."""
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == f">={PYTHONS[0]}"
    versions = re.findall(r":: (3\.\d+)$", "\n".join(metadata.get_all("Classifier", [])), re.MULTILINE)
    assert versions == PYTHONS
    matrix = re.search(r"python: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert matrix is not None
    assert re.findall(r"[\d.]+", matrix[1]) == PYTHONS


def test_core_is_light(metadata: Message) -> None:
    """The package alone needs two others."""
    assert requirements(metadata, "") == {"asgiref", "msgspec"}


@pytest.mark.parametrize(
    ("extra", "packages"),
    [
        ("sqlite", {"sqlalchemy", "aiosqlite"}),
        ("postgres", {"sqlalchemy", "asyncpg"}),
        ("signing", {"cryptography"}),
        ("cli", {"rich"}),
        ("demo", {"sqlalchemy", "aiosqlite", "rich", "httpx", "uvicorn", "websockets"}),
        ("all", {"sqlalchemy", "aiosqlite", "asyncpg", "cryptography", "rich"}),
    ],
)
def test_extras(metadata: Message, extra: str, packages: set[str]) -> None:
    """Each extra installs what its name promises; there are no other extras."""
    assert requirements(metadata, extra) == packages
    assert set(metadata.get_all("Provides-Extra", [])) == {"sqlite", "postgres", "signing", "cli", "demo", "all"}


def test_every_direct_dependency_is_pinned() -> None:
    """Whatever pyproject.toml asks for has a pin that satisfies it, with no marker that would unpin it here."""
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    asked = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    asked += [line for extra in project["optional-dependencies"].values() for line in extra]
    asked += [line for group in groups.values() for line in group if isinstance(line, str)]
    for requirement in map(Requirement, asked):
        if requirement.name == project["name"]:
            continue
        pin = pins()[requirement.name]
        assert requirement.specifier.contains(next(iter(pin.specifier)).version)
        assert pin.marker is None or pin.marker == requirement.marker


def test_pins_are_exact_and_hold_everywhere() -> None:
    """A pin is `==` one version, the same for every supported Python and platform that needs the package."""
    for pin in pins().values():
        assert [specifier.operator for specifier in pin.specifier] == ["=="]
        assert pin.url is None


def test_versions_are_pinned_in_one_place() -> None:
    """Dependency groups say what is needed; which version stands in constraints.txt alone."""
    lines = [line for group in PYPROJECT["dependency-groups"].values() for line in group if isinstance(line, str)]
    assert [line for line in lines if Requirement(line).specifier] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_trust_nobody(path: Path) -> None:
    """A workflow starts with no permissions and pins each action to a commit, with the version beside it."""
    text = path.read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text
    actions = re.findall(r"uses: *(.*)", text)
    pinned = re.findall(r"uses: ([\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", text, re.MULTILINE)
    assert actions == pinned != []


def test_dev_py_reaches_its_own_complaint() -> None:
    """dev.py parses on Pythons that are too old for it, so that they print what is wrong and no syntax error."""
    ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "python3 dev.py test"),
        (["tests"], "unknown verb 'tests'; try: demo, test, crash, bench, lint, fix, docs"),
        (["lint", "src"], "lint takes no arguments"),
    ],
)
def test_dev_py_explains_itself(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    """A command line that dev.py does not understand costs no set-up: it is answered at once, with exit code 2."""
    command = [sys.executable, str(ROOT / "dev.py"), *arguments]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert complaint in run.stderr
