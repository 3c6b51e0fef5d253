"""The server of the kill loop is ended as it should be, and leaves nothing behind."""

from pathlib import Path

import pytest

from tests.crash.orders import Orders
from tests.crash.server import Server, members, server


def test_a_test_that_fails_leaves_no_process(tmp_path: Path) -> None:
    """Supervisor and workers are gone when the test is, and with them what they listened on."""
    orders = Orders(sink=f"sqlite:///{tmp_path}/audit.db", ran=tmp_path / "ran")
    groups: list[int] = []

    def fail(running: Server) -> None:
        running.start()
        groups.append(running.group)
        assert len(list(members(running.group))) >= 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), server(orders, tmp_path / "log") as running:
        fail(running)
    assert list(members(groups[0])) == []
