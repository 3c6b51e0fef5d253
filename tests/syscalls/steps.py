"""The 30 requests of the script: what each of them is, and what must be on record of it."""

from typing import Final, NamedTuple

#: What the script asks for in turn, and how its record may end; no outcome means that it leaves no record.
KINDS: Final = {
    "created": {"success"},
    "missing": {"failed"},
    "told": {"success"},  # and the handler records an event
    "denied": {"denied"},
    "raising": {"error", "failed"},  # a 500, and then the exception; or the 500 alone, if the process died between
    "read": set(),
    "socket": {"success"},
    "event": {"success"},  # outside of any request
    "payment": {"success"},  # by a required rule
    "changed": {"success"},
}
STATUS: Final = {"missing": 404, "denied": 403, "raising": 500, "read": 200}


class Step(NamedTuple):
    """One request, or one event outside of any."""

    number: int
    kind: str

    @property
    def key(self) -> str:
        """What its record can be told by: the path, or the action of an event."""
        return f"event.{self.number}" if self.kind == "event" else self.path

    @property
    def path(self) -> str:
        """Where it goes."""
        return f"/{self.kind}/{self.number}"

    @property
    def recorded(self) -> bool:
        """Whether it leaves a record."""
        return bool(KINDS[self.kind])


STEPS: Final = tuple(Step(number, list(KINDS)[number % len(KINDS)]) for number in range(30))
