"""Where a command prints: lines of styled pieces, in colour on a terminal that wants it, else as plain text."""

import os
import shutil
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, Protocol, cast


class Piece(NamedTuple):
    """Text and how it should look; the style is rich's, and plain output forgets it."""

    text: str
    style: str = ""


class Output(Protocol):
    """Standard output. `width` is the terminal's, or None when a file or a pipe takes the lines whole."""

    width: int | None

    def line(self, *pieces: Piece | str) -> None:
        """Print one line; trailing blanks are cut."""


def text_of(pieces: Iterable[Piece | str]) -> str:
    """The pieces without their styles."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces).rstrip()


class PlainOutput:
    """Text alone."""

    def __init__(self, width: int | None) -> None:
        self.width = width

    def line(self, *pieces: Piece | str) -> None:
        """Print one line."""
        print(text_of(pieces))


def standard_output() -> Output:
    """Colour needs a terminal, rich, and nobody who said no (NO_COLOR, https://no-color.org; TERM=dumb)."""
    if not sys.stdout.isatty():
        return PlainOutput(None)
    width = shutil.get_terminal_size().columns
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or find_spec("rich") is None:
        return PlainOutput(width)
    return cast(Output, import_module("asgi_audit.cli.colour").ColourOutput(width))
