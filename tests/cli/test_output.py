import os
import pty
import sys

import pytest

from asgi_audit.cli import output
from asgi_audit.cli.colour import ColourOutput
from asgi_audit.cli.output import Piece, PlainOutput, standard_output


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """What is shown of styled and plain text, and of what rich would take for markup or highlight."""
    ours, theirs = pty.openpty()
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environ}.items():
        monkeypatch.setenv(name, value)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        standard_output().line("plain ", Piece("green", "green"), " [bold]1.5 ms[/bold] ", Piece("   ", "dim"))
        stream.flush()
        monkeypatch.undo()
        shown = os.read(ours, 4096)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has a style is painted; the text itself is never taken for markup."""
    assert on_a_terminal(monkeypatch) == "plain \x1b[32mgreen\x1b[0m [bold]1.5 ms[/bold]\n"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_declined(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The text stays the same."""
    assert on_a_terminal(monkeypatch, **environ) == "plain green [bold]1.5 ms[/bold]\n"


def test_without_rich_the_text_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is missing."""
    monkeypatch.setattr(output, "find_spec", lambda name: None)
    assert on_a_terminal(monkeypatch) == "plain green [bold]1.5 ms[/bold]\n"


def test_a_pipe_gets_plain_text_of_any_width(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing that a program would have to strip."""
    out = standard_output()
    out.line("a", Piece("b" * 500, "red"), "  ")
    assert out.width is None
    assert capsys.readouterr().out == "a" + "b" * 500 + "\n"


@pytest.mark.parametrize("kind", [PlainOutput, ColourOutput])
def test_long_lines_are_not_wrapped(kind: type[output.PlainOutput], capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal wraps by itself, and then a copied line is one line."""
    kind(20).line(Piece("word " * 20, "red"), "end")
    assert capsys.readouterr().out == "word " * 20 + "end\n"
