"""Shows at the end what the kill loop has seen."""

import pytest

from tests.crash.figures import Figures, table

FIGURES = pytest.StashKey[dict[str, Figures]]()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, Figures]:
    """By database, what is shown at the end."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if columns := config.stash.get(FIGURES, {}):
        terminalreporter.section("kill -9")
        for line in table(columns):
            terminalreporter.write_line(line)
