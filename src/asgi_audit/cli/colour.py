"""Output in colour, by rich."""

from rich.console import Console
from rich.text import Text

from asgi_audit.cli.output import Piece


class ColourOutput:
    """Styled lines. rich only paints: it neither wraps nor highlights, so that the text is that of plain output."""

    def __init__(self, width: int) -> None:
        self.width: int | None = width
        self._console = Console(highlight=False, soft_wrap=True)

    def line(self, *pieces: Piece | str) -> None:
        """Print one line."""
        text = Text()
        for piece in pieces:
            if isinstance(piece, str):
                text.append(piece)
            else:
                text.append(piece.text, piece.style)
        text.rstrip()
        self._console.print(text)
