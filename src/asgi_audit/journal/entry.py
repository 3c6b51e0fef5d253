"""How a journal's entry becomes a record again, whatever stands in it."""

from datetime import datetime

import msgspec

from asgi_audit.record import VERSION, Kind, Record, decode


class _Identity(msgspec.Struct):
    """What we have made ourselves, and can rely on."""

    id: str
    kind: Kind
    time: datetime


def read_entry(entry: bytes) -> Record:
    """The record. One that has a value of the wrong type in it is kept as text: it must not stop those behind it."""
    try:
        return decode(entry)
    except msgspec.ValidationError as error:
        # An application may send a status that is no number. The message names a type and a place, never a value.
        identity = msgspec.json.decode(entry, type=_Identity)
        return Record(
            v=VERSION,
            id=identity.id,
            kind=identity.kind,
            time=identity.time,
            action="unreadable",
            data={"unreadable": str(error), "entry": entry.decode()},
        )
