import pytest

from tests.delivery.faulty import Faulty


@pytest.fixture(params=["memory", "files"])
def both_journals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is to hold with a journal in memory, and with one in files."""
    monkeypatch.setattr(Faulty, "volatile", request.param == "memory")
