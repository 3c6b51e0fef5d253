"""Having a trail sealed by its own delivery thread, instead of by `asgi-audit seal`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from asgi_audit.anchors import AnyAnchor, as_anchor
from asgi_audit.errors import ConfigurationError
from asgi_audit.signing import SigningKey
from asgi_audit.sinks import Sink
from asgi_audit.sqlalchemy import Sealer, SQLAlchemySink

__all__ = ["Seal"]


class Seal:
    """What `AuditTrail(seal=…)` takes: the keys, or the files that hold them, and where checkpoints are kept.

    Seals every `every` seconds what the first SQL database among the trail's sinks has stored, and once more when the
    trail closes. Several processes may do so at once: one wins, the others give way. Without a key the checkpoints are
    not signed; without an anchor nobody but the database's owner has them.

    It is convenient, and weaker than a sealer of its own: whoever takes over the application has the key.
    """

    def __init__(self, *keys: SigningKey | Path | str, anchors: Iterable[AnyAnchor] = (), every: float = 10.0) -> None:
        self._keys = [_key(each) for each in keys]
        if isinstance(anchors, str | Path):
            raise ConfigurationError("anchors", anchors, f'give a list: anchors=["{anchors}"]')
        if not isinstance(anchors, Iterable):
            raise ConfigurationError("anchors", anchors, "give a list of them: anchors=[…]")
        self._anchors = [as_anchor(each) for each in anchors]
        self.every = _seconds(every)

    def __repr__(self) -> str:
        keys = "".join(f"{key!r}, " for key in self._keys)
        return f"Seal({keys}anchors={self._anchors!r}, every={self.every!r})"

    def sealer(self, sinks: Sequence[Sink]) -> Sealer:
        """The sealer for the first SQL database among the sinks."""
        for sink in sinks:
            if isinstance(sink, SQLAlchemySink):
                if sink.name == "sqlite:///:memory:":
                    raise ConfigurationError("seal", self, "a database in memory can't be sealed: give a file")
                return Sealer(sink.database, keys=self._keys, anchors=self._anchors, mac=sink.mac)
        raise ConfigurationError("seal", self, "only what a SQL database stores can be sealed; no sink is one")


def _key(given: object) -> SigningKey:
    if isinstance(given, SigningKey):
        return given
    if isinstance(given, str) and "+KEY+" in given:
        raise ConfigurationError("key", "<not shown>", "give the file of the key, or SigningKey.parse(…) of its text")
    if isinstance(given, str | Path):
        return SigningKey.load(given)
    raise ConfigurationError("key", given, "give a SigningKey, or the file that `asgi-audit keygen --out FILE` makes")


def _seconds(given: object) -> float:
    if isinstance(given, int | float) and given > 0:
        return given
    raise ConfigurationError("every", given, "give a time above 0, in seconds")
