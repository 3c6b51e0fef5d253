"""One story, told to the example of each framework, over real sockets: the same records, whatever the framework."""

from pathlib import Path

import pytest

from tests.frameworks import story
from tests.served import COMMANDS, served, trail

EXAMPLES = Path(__file__).parents[2] / "examples"

#: Each framework with the servers under which its story is told in every run; `--full` takes all of them.
FRAMEWORKS = {
    "blacksheep": ["uvicorn", "granian"],
    "django": ["uvicorn", "daphne"],
    "falcon": ["uvicorn", "hypercorn"],
    "fastapi": ["uvicorn", "granian"],
    "litestar": ["hypercorn", "granian"],
    "quart": ["hypercorn", "uvicorn"],
    "sanic": ["uvicorn", "hypercorn"],
    "starlette": ["uvicorn", "daphne"],
}
WITHOUT_WEBSOCKETS = {"django"}
#: daphne has no lifespan, which Sanic needs, and tells no scheme of websockets, which Quart needs.
UNSERVED = {("sanic", "daphne"), ("quart", "daphne")}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair frameworks with servers."""
    if "server" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--full")
        pairs = [(name, server) for name, some in FRAMEWORKS.items() for server in (COMMANDS if whole else some)]
        metafunc.parametrize(("framework", "server"), [pair for pair in pairs if pair not in UNSERVED])


def test_the_story_leaves_the_same_records(framework: str, server: str, tmp_path: Path) -> None:
    """Who signed in, changed, approved, attached, was denied, what broke, and who talked: the same from all eight."""
    chat = framework not in WITHOUT_WEBSOCKETS
    expected = [*story.ON_RECORD, *([story.chat_on(server)] if chat else [])]
    with served(server, EXAMPLES / framework, tmp_path) as address:
        story.play(address, chat=chat)
        records = trail(tmp_path, len(expected))
    assert story.read(records) == expected


def test_every_framework_has_its_story() -> None:
    """No example lies there without it, and no page."""
    assert sorted(path.parent.name for path in EXAMPLES.glob("*/app.py")) == sorted(FRAMEWORKS)
    pages = EXAMPLES.parent / "docs" / "frameworks"
    assert sorted(path.stem for path in pages.glob("*.md")) == sorted(FRAMEWORKS)
