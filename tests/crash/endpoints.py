"""What the application under test offers, and what each request to it must leave on record."""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """A way for a request to go. `outcomes` are those that are honest when the response was complete."""

    name: str
    method: str
    status: int
    outcomes: frozenset[str] = frozenset({"success"})
    recorded: bool = True
    #: How often it is asked, against the others.
    weight: int = 1

    def path(self, marker: str) -> str:
        """Where the request with this marker goes."""
        return f"/{self.name}/{marker}"


_FAILED = frozenset({"failed"})

ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in [
        Endpoint("created", "POST", 201, weight=6),
        Endpoint("replaced", "PUT", 200, weight=4),
        Endpoint("deleted", "DELETE", 204, weight=4),
        Endpoint("conflict", "PATCH", 409, _FAILED, weight=2),
        Endpoint("forbidden", "POST", 403, frozenset({"denied"})),
        # The exception comes after the response: killed in between, its record is the one made before.
        Endpoint("broken", "POST", 500, frozenset({"failed", "error"})),
        Endpoint("unwell", "POST", 503, _FAILED),
        Endpoint("slow", "POST", 200, weight=3),
        Endpoint("stream", "POST", 200, weight=2),
        Endpoint("approved", "POST", 200, weight=2),
        Endpoint("read", "GET", 200, recorded=False, weight=2),
    ]
}
#: Its handler records an event of its own, and answers with the event's id.
APPROVED = ENDPOINTS["approved"]
