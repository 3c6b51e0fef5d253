"""The demo's application: people sign in, write invoices, send them, look at figures.

This is what an application looks like that has an audit trail: `set_actor` where it learns who is there, `annotate`
where it knows better than a URL what is being done. The rest of a record comes from the middleware.
"""

import asyncio
from itertools import count

from asgi_audit import Target, annotate, set_actor
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.demo.people import People, User
from asgi_audit.demo.web import Call, Refused, Router


class Ledger:
    """An ASGI application with its data in memory."""

    def __init__(self, people: People) -> None:
        self.people = people
        self._invoices: dict[str, dict[str, object]] = {}
        self._numbers = count(1)
        self._router = Router()
        self._router.add("POST", "/sign-in", self.sign_in)
        self._router.add("POST", "/users", self.create_user)
        self._router.add("PATCH", "/users/{id}", self.rename_user)
        self._router.add("GET", "/invoices", self.list_invoices)
        self._router.add("POST", "/invoices", self.create_invoice)
        self._router.add("DELETE", "/invoices/{id}", self.delete_invoice)
        self._router.add("POST", "/invoices/{id}/send", self.send_invoice)
        self._router.add("POST", "/exports", self.export)
        self._router.add("GET", "/reports/revenue", self.report)
        self._router.add("WEBSOCKET", "/live", self.live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a websocket."""
        await self._router(scope, receive, send)

    async def sign_in(self, call: Call) -> None:
        """Exchange an address and a pass phrase for a token."""
        annotate(action="session.create")
        form = await call.json()
        user = self.people.by_email(form["email"])
        if user is not None:
            annotate(target=Target(user.id, type="user"))
        if user is None or not user.knows(form["password"]):
            raise Refused(401, "unknown address or wrong password")
        set_actor(user.id, type="user", name=user.name)
        await call.answer(201, {"token": self.people.sign_in(user)})

    async def create_user(self, call: Call) -> None:
        """Add somebody who may sign in."""
        self._user(call)
        form = await call.json()
        user = self.people.add(form["name"], form["email"], form["password"])
        annotate(action="user.create", target=Target(user.id, type="user", name=user.name))
        await call.answer(201, {"id": user.id})

    async def rename_user(self, call: Call) -> None:
        """Change a name."""
        self._user(call)
        form = await call.json()
        user = self.people.get(call.params["id"])
        if user is None:
            raise Refused(404, "no such user")
        annotate(action="user.rename", target=Target(user.id, type="user"), reason=form["reason"])
        annotate(data={"before": user.name, "after": form["name"]})
        user.name = form["name"]
        await call.answer(204)

    async def list_invoices(self, call: Call) -> None:
        """All invoices: plain reading, which the policy does not record."""
        self._user(call)
        await call.answer(200, self._invoices)

    async def create_invoice(self, call: Call) -> None:
        """Write an invoice."""
        self._user(call)
        number = f"2026-{next(self._numbers):03}"
        self._invoices[number] = await call.json()
        annotate(target=Target(number, type="invoice"))
        await call.answer(201, {"number": number})

    async def delete_invoice(self, call: Call) -> None:
        """Remove an invoice, if an administrator asks."""
        user = self._user(call)
        annotate(target=Target(call.params["id"], type="invoice"))
        if not user.administrator:
            raise Refused(403, "only administrators delete invoices")
        del self._invoices[call.params["id"]]
        await call.answer(204)

    async def send_invoice(self, call: Call) -> None:
        """Mail an invoice to its customer: this is where the application crashes."""
        self._user(call)
        annotate(target=Target(call.params["id"], type="invoice"))
        raise ConnectionRefusedError("the mail server does not answer")

    async def export(self, call: Call) -> None:
        """Stream lines until the client has enough or is gone."""
        self._user(call)
        await call.json()
        await call.send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
        async with asyncio.TaskGroup() as group:
            lines = group.create_task(_send_lines(call))
            await call.receive()  # the body has been read: what comes now is the disconnect
            lines.cancel()

    async def report(self, call: Call) -> None:
        """Figures that not everybody should see: one line puts this GET on record."""
        self._user(call)
        await call.answer(200, {"revenue": 1_250_000})
        annotate(action="report.export", target=Target("revenue", type="report"), outcome="success")

    async def live(self, call: Call) -> None:
        """A websocket that answers every question until the client leaves."""
        self._user(call)
        await call.receive()
        await call.send({"type": "websocket.accept"})
        while (message := await call.receive())["type"] == "websocket.receive":
            await call.send({"type": "websocket.send", "text": f"{message['text']}: paid"})

    def _user(self, call: Call) -> User:
        """Who asks, as the token proves; the trail is told so in the same place."""
        token = dict(call.scope["headers"]).get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        user = self.people.by_token(token)
        if user is None:
            raise Refused(401, "sign in first")
        set_actor(user.id, type="user", name=user.name)
        return user


async def _send_lines(call: Call) -> None:
    number = 0
    while True:
        number += 1
        await call.send({"type": "http.response.body", "body": b"2026-%03d;1999\n" % number, "more_body": True})
        await asyncio.sleep(0.01)
