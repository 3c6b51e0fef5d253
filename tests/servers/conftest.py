"""Each server runs once for all tests that name it."""

from collections.abc import Iterator

import pytest

from tests.servers.servers import HYPERCORN, SERVERS, Theatre, theatre


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    """Every server in turn."""
    with theatre(request.param) as running:
        yield running


@pytest.fixture(scope="session", params=HYPERCORN)
def http2_server(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    """Every server that speaks HTTP/2 in turn."""
    with theatre(request.param) as running:
        yield running
