"""The demo's story: what people and a machine do to the application, over real connections."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import httpx
from websockets.sync.client import connect

from asgi_audit import AuditTrail, Target, acting_as
from asgi_audit.demo.people import People

ADAS_PHRASE = "correct horse battery staple"
GRACES_PHRASE = "nanoseconds are 30 centimetres long"
MISTYPED = "correct horse batery staple"
#: Everything that is typed as a password: none of it may be in the database.
PHRASES = (ADAS_PHRASE, GRACES_PHRASE, MISTYPED)


def the_company() -> People:
    """Who may sign in when the story begins."""
    people = People()
    people.add("Ada Lovelace", "ada@example.com", ADAS_PHRASE, administrator=True)
    return people


class Scene(NamedTuple):
    """One thing that is done, in a sentence; `request_id` leads to its record, or is None for what is no request."""

    text: str
    request_id: str | None


_T = TypeVar("_T")


class Story:
    """Does one thing after the other; `run` makes its request ids unlike those of an earlier telling."""

    def __init__(self, address: str, run: str) -> None:
        self._address = address
        self._run = run
        # A server closes a connection on which the application crashed: a kept one might be gone when the next request
        # goes out. And whatever proxy this machine uses, the way to the loopback address does not lead through it.
        unkept = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=f"http://{address}", timeout=5, limits=unkept, trust_env=False)
        self._token = ""
        self.scenes: list[Scene] = []

    def tell(self) -> None:
        """Everything that takes a connection."""
        with self._client:
            self._post("Ada mistypes her password.", "/sign-in", email="ada@example.com", password=MISTYPED)
            self._sign_in("Ada signs in.", "ada@example.com", ADAS_PHRASE)
            grace = {"name": "Grace Hoper", "email": "grace@example.com", "password": GRACES_PHRASE}
            self._post("Ada adds a colleague, Grace, and gives her a password.", "/users", **grace)
            self._scene(
                "Ada corrects the spelling of Grace's name.",
                lambda headers: self._client.patch(
                    "/users/grace", json={"name": "Grace Hopper", "reason": "spelling"}, headers=headers
                ),
            )
            self._post("Ada writes an invoice.", "/invoices", customer="Analytical Engines Ltd", cents=199_900)
            self._sign_in("Grace signs in.", "grace@example.com", GRACES_PHRASE)
            self._scene(
                "Grace looks through the invoices: plain reading, which this policy does not record.",
                lambda headers: self._client.get("/invoices", headers=headers),
            )
            self._scene(
                "Grace tries to delete Ada's invoice, which she may not.",
                lambda headers: self._client.delete("/invoices/2026-001", headers=headers),
            )
            self._post("Grace sends it to the customer, and the application crashes.", "/invoices/2026-001/send")
            self._scene("Grace starts an export and hangs up in the middle of it.", self._hang_up)
            self._scene("Grace asks for two invoices over a websocket.", self._ask)
            self._scene(
                "Grace reads the year's revenue: a GET too, but the application says that this one counts.",
                lambda headers: self._client.get("/reports/revenue", headers=headers),
            )

    def work_by_night(self, trail: AuditTrail) -> None:
        """What a background job does, with nobody at the other end of a connection."""
        with acting_as("nightly-reminders", type="job"):
            trail.event("invoice.remind", target=Target("2026-001", type="invoice"), reason="14 days overdue")
        self.scenes.append(Scene("At night a job reminds the customer.", None))

    def _scene(self, text: str, act: Callable[[dict[str, str]], _T]) -> _T:
        scene = Scene(text, f"{self._run}-{len(self.scenes) + 1}")
        self.scenes.append(scene)
        credentials = {"authorization": f"Bearer {self._token}"} if self._token else {}
        return act({"x-request-id": str(scene.request_id), **credentials})

    def _post(self, text: str, path: str, **form: object) -> httpx.Response:
        return self._scene(text, lambda headers: self._client.post(path, json=form, headers=headers))

    def _sign_in(self, text: str, email: str, phrase: str) -> None:
        self._token = self._post(text, "/sign-in", email=email, password=phrase).json()["token"]

    def _hang_up(self, headers: dict[str, str]) -> None:
        with self._client.stream("POST", "/exports", json={"form": "csv"}, headers=headers) as response:
            next(response.iter_bytes())

    def _ask(self, headers: dict[str, str]) -> None:
        with connect(f"ws://{self._address}/live", additional_headers=headers, proxy=None) as socket:
            for number in ("2026-001", "2026-002"):
                socket.send(number)
                socket.recv(timeout=5)
