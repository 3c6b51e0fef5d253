"""What `AuditTrail(seal=…)` takes, checked when it is made: each error names the argument, its value and the remedy."""

from pathlib import Path
from typing import Any

import pytest

from asgi_audit import AuditTrail, JSONLinesSink
from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import ConfigurationError
from asgi_audit.sealing import Seal
from asgi_audit.signing import SigningKey
from asgi_audit.testing import MemorySink

KEY = SigningKey.generate("audit.example/app")

BAD: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "no file": (("missing.key",), {}, r"^path='missing.key': there is no such file: make it with `asgi-audit keygen"),
    "a public key": (
        (KEY.verifier,),
        {},
        r"^key=VerifierKey\(.*: give a SigningKey, or the file that `asgi-audit keyg",
    ),
    "several in a list": (([KEY],), {}, r"^key=\[.*\]: give a SigningKey, or the file"),
    "no keys at all": ((None,), {}, r"^key=None: give a SigningKey, or the file"),
    "the text of a key": ((KEY.encode(),), {}, r"^key='<not shown>': give the file of the key, or SigningKey.parse"),
    "one anchor's path": (
        (KEY,),
        {"anchors": "a.jsonl"},
        r"""^anchors='a.jsonl': give a list: anchors=\["a.jsonl"\]""",
    ),
    "one anchor": ((KEY,), {"anchors": FileAnchor("a.jsonl")}, r"^anchors=FileAnchor\(.*: give a list of them"),
    "no anchor": ((KEY,), {"anchors": [7]}, r"^anchor=7: give the path of a file, "),
    "an unknown anchor": ((KEY,), {"anchors": ["s3://x"]}, r"^anchor='s3://…': no anchor is known for this scheme"),
    "no time": ((KEY,), {"every": 0}, r"^every=0: give a time above 0, in seconds"),
    "less than none": ((KEY,), {"every": -1.0}, r"^every=-1.0: give a time above 0"),
    "no number": ((KEY,), {"every": float("nan")}, r"^every=nan: give a time above 0"),
    "a text": ((KEY,), {"every": "10s"}, r"^every='10s': give a time above 0"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_what_cannot_work_is_refused(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and without showing a key."""
    monkeypatch.chdir(tmp_path)
    keys, options, message = BAD[mistake]
    with pytest.raises(ConfigurationError, match=message) as caught:
        Seal(*keys, **options)
    assert KEY.encode().rpartition("+")[2] not in str(caught.value)


@pytest.mark.parametrize("as_text", [True, False])
def test_keys_may_be_files(tmp_path: Path, as_text: bool) -> None:
    """By path or by its text, beside keys that are there."""
    KEY.save(tmp_path / "audit.key")
    path = tmp_path / "audit.key"
    seal = Seal(str(path) if as_text else path, SigningKey.generate("another"), anchors=[tmp_path / "anchor"], every=1)
    trail = AuditTrail(f"sqlite:///{tmp_path}/x.db", seal=seal)
    assert trail.health()


def test_only_a_database_can_be_sealed(tmp_path: Path) -> None:
    """Of the sinks one must be a SQL database, and one that a second connection can see."""
    message = r"^seal=Seal\(SigningKey\(.*\), anchors=\[\], every=10.0\): only what a SQL database stores can be sealed"
    with pytest.raises(ConfigurationError, match=message):
        AuditTrail(MemorySink(), JSONLinesSink(tmp_path / "lines"), seal=Seal(KEY))
    with pytest.raises(ConfigurationError, match=r"^seal=.*: a database in memory can't be sealed: give a file"):
        AuditTrail("sqlite://", seal=Seal(KEY))


@pytest.mark.parametrize("seal", [KEY, "audit.key", Seal, True])
def test_a_key_alone_is_no_seal(tmp_path: Path, seal: Any) -> None:
    """The message shows how it is written."""
    with pytest.raises(ConfigurationError, match=r'^seal=.*: give a Seal, as in seal=Seal\("audit.key"\)$'):
        AuditTrail(f"sqlite:///{tmp_path}/x.db", seal=seal)
