"""Django: what its requests and signals tell, and whom it has authenticated, without a query of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from asgi_audit import Actor, AuditMiddleware, AuditTrail, ConfigurationError
from asgi_audit._types import ASGIApp
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded
from tests.frameworks.django_project import configure

configure()

from django.contrib.auth.models import User  # noqa: E402 - Django wants its settings first
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.signals import got_request_exception  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from asgi_audit.contrib.django import install, routes  # noqa: E402


@pytest.fixture
def client(trail: AuditTrail) -> TestClient:
    """A client of the project, which is recorded. Django answers exceptions itself."""
    return TestClient(install(get_asgi_application(), trail))


@pytest.fixture(scope="module")
def ada() -> Iterator[None]:
    """Somebody who can sign in."""
    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="lovelace", id=42)
    yield
    User.objects.all().delete()


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/things/7/a/b", "/things/{number}/{rest}", {"number": "7", "rest": "a/b"}),
        ("/things/in/2026/page-3/", "/things/in/{year}/", {"year": "2026", "page": "3"}),
        ("/people/7", "/people/{person}", {"person": "7"}),
    ],
)
def test_the_route_and_its_parameters_are_on_record(
    path: str, template: str, params: dict[str, str], client: TestClient, recorded: Recorded
) -> None:
    """Below what is included, with regular expressions made readable."""
    assert client.put(path).status_code == 200
    (record,) = recorded()
    assert record.action == f"PUT {template}"
    assert record.request is not None
    assert record.request.params == params


def test_what_is_not_found_is_recorded(client: TestClient, recorded: Recorded) -> None:
    """It has no route; one that has, for other methods, has its own."""
    assert client.post("/nowhere").status_code == 404
    assert client.post("/class/").status_code == 405
    assert [(record.action, record.status) for record in recorded()] == [("POST", 404), ("POST /class/", 405)]


def test_an_exception_is_on_record(client: TestClient, recorded: Recorded) -> None:
    """Django answers each itself; only one that is no answer of the application has ended the request."""
    assert client.post("/value").status_code == 500
    assert client.post("/denied").status_code == 403
    assert [(record.action, record.outcome, record.error and record.error.type) for record in recorded()] == [
        ("POST /value", "error", "ValueError"),
        ("POST /denied", "denied", None),
    ]


def test_who_is_signed_in_is_the_actor(ada: None, client: TestClient, recorded: Recorded) -> None:
    """If the application has looked, in a thread or not, and in the request that signs in."""
    client.post("/look")
    client.post("/sign_in")
    assert client.post("/look").json() == {"seen": True, "before": None}
    assert client.post("/alook").json() == {"seen": True}
    client.post("/pass_by")
    client.post("/sign_out")
    ada_ = Actor("42", name="ada", source="framework")
    assert [(record.action, record.actor) for record in recorded()] == [
        ("POST /look", None),
        ("POST /sign_in", ada_),
        ("POST /look", ada_),
        ("POST /alook", ada_),
        ("POST /pass_by", None),
        ("POST /sign_out", None),
    ]


def test_no_query_is_added(ada: None, trail: AuditTrail, recorded: Recorded) -> None:
    """Neither where the application has looked who it is, nor where it has not."""

    def queries(app: ASGIApp, path: str) -> list[str]:
        client = TestClient(app)
        client.post("/sign_in")
        with CaptureQueriesContext(connection) as found:
            client.post(path)
        return [query["sql"] for query in found]

    connection.inc_thread_sharing()
    for path in ("/look", "/pass_by"):
        bare = queries(get_asgi_application(), path)
        assert queries(install(get_asgi_application(), trail), path) == bare
    assert len(recorded()) == 4


def test_a_stream_is_recorded_at_its_end(client: TestClient, recorded: Recorded) -> None:
    """With all of its bytes."""
    assert client.post("/stream").text == "halffull"
    (record,) = recorded()
    assert record.response is not None
    assert (record.response.size, record.outcome) == (8, "success")


def test_exceptions_of_other_requests_are_none_of_ours(trail: AuditTrail, recorded: Recorded) -> None:
    """The signal is the process's: it tells of WSGI's requests too, and of those that nobody records."""
    install(get_asgi_application(), trail)
    got_request_exception.send(sender=None, request=None)
    got_request_exception.send(sender=None, request=object())
    assert TestClient(get_asgi_application(), raise_server_exceptions=False).post("/value").status_code == 500
    assert recorded() == []
    assert trail.stats().failures == {}


def test_only_django_s_own_application_has_requests(trail: AuditTrail) -> None:
    """Other layers stand around it."""
    around: Any = AuditMiddleware(get_asgi_application(), trail)
    with pytest.raises(ConfigurationError, match=r"give what get_asgi_application\(\) returns"):
        install(around, trail)


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    def make(trail: AuditTrail) -> ASGIApp:
        return install(get_asgi_application(), trail)

    crowd.check(make)


def test_the_routes_of_django() -> None:
    """With what classes have methods for; functions may take anything."""
    found = {route.template: route.methods for route in routes(get_asgi_application())}
    assert found["/things/{number}/{rest}"] == ("DELETE", "PATCH", "POST", "PUT")
    assert found["/things/in/{year}/"] == ("DELETE", "PATCH", "POST", "PUT")
    assert found["/class/"] == ("OPTIONS", "PUT")
    assert found["/members/"] == ("GET", "POST")
