from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asgi_audit import anchors
from asgi_audit.anchors import Anchor, FileAnchor, LoggerAnchor, WebhookAnchor, as_anchor
from asgi_audit.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://example.org/log", "webhook:https://example.org/log"),
        ("HTTP://example.org", "webhook:http://example.org"),
        ("logger:", "logger:asgi_audit.checkpoints"),
        ("logger:a.b", "logger:a.b"),
    ],
)
def test_a_text_names_an_anchor(text: str, name: str) -> None:
    """By what it begins with."""
    assert as_anchor(text).name == name


def test_any_other_text_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a path is; a colon alone makes no scheme."""
    monkeypatch.chdir(tmp_path)
    for given in ("checkpoints", Path("checkpoints"), tmp_path / "checkpoints"):
        assert repr(as_anchor(given)) == repr(FileAnchor(tmp_path / "checkpoints"))
    assert as_anchor("a:b").name == f"file:{tmp_path}/a:b"
    assert as_anchor("logger").name == f"file:{tmp_path}/logger"


def test_an_anchor_stays_what_it_is(tmp_path: Path) -> None:
    """One of ours, or anything that has its methods."""

    class Own:
        name = "own"

        async def publish(self, checkpoint: str) -> None: ...

        async def newest(self, log: str) -> str | None: ...

        def read(self) -> Iterator[str]:
            return iter(())

    anchors: list[Anchor] = [FileAnchor(tmp_path / "a"), LoggerAnchor(), WebhookAnchor("http://example.org"), Own()]
    for anchor in anchors:
        assert as_anchor(anchor) is anchor


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("s3://user:canary@bucket/log", r"anchor='s3://…': no anchor is known for this scheme; give the path of"),
        ("file:///log", r"anchor='file://…': no anchor is known for this scheme; give the path of a file, \"logger:\""),
        ("logger://canary", r"anchor='logger://…': no anchor is known"),
        (7, r"anchor=7: give the path of a file"),
        (None, r"anchor=None: give the path of a file"),
        (b"path", r"anchor=b'path': give the path of a file"),
        (LoggerAnchor, r"anchor=<class .*>: give an object, not its class: LoggerAnchor\(…\)"),
        ("", r"path='': this is a directory"),
        ("https://", r"url='https:…': write https://server/path"),
    ],
)
def test_what_names_no_anchor_is_refused(given: Any, message: str) -> None:
    """With what to write instead, and without what may be a password."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        as_anchor(given)
    assert "canary" not in str(caught.value)


def test_public_names_are_listed() -> None:
    """Sorted, and each exists."""
    assert anchors.__all__ == sorted(anchors.__all__)
    assert [name for name in anchors.__all__ if not hasattr(anchors, name)] == []
