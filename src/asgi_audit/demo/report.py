"""What the demo prints: each scene and the record that it left, what was looked for, and what may be typed next."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from asgi_audit.cli import cells
from asgi_audit.cli.output import Output, Piece
from asgi_audit.cli.table import cut, short_id
from asgi_audit.demo.story import Scene
from asgi_audit.record import Outcome, Record


def print_scenes(told: Iterable[tuple[Scene, Record | None]], out: Output) -> None:
    """Every scene in a sentence, and its record in a line."""
    for scene, record in told:
        out.line(scene.text)
        if record is None:
            out.line(Piece("    no record", "dim"))
            continue
        ending = f"{cells.outcome(record) or record.kind} {cells.code(record)}"
        actor = "" if record.actor is None else record.actor.id
        out.line(
            Piece(f"    {ending:<18}", cells.style_of(record)),
            Piece(f"{cut(cells.action(record), 24):<26}", "bold"),
            f"{cut(actor, 17):<19}",
            cells.targets(record),
        )


def print_body(records: Iterable[Record], out: Output) -> None:
    """The body of the first successful request whose body was kept."""
    kept = (record.request.body for record in records if record.request and record.outcome is Outcome.SUCCESS)
    body = next(filter(None, kept))
    out.line("A rule asks for the body of a sign-in. This is Ada's, as it was kept:")
    out.line("    ", Piece(body.text or "", "cyan"))


def find_phrases(phrases: Iterable[str], files: Iterable[Path]) -> tuple[list[str], int]:
    """Which of the phrases stand in the files, and how many bytes were searched."""
    contents = [path.read_bytes() for path in files]
    found = [phrase for phrase in phrases if any(phrase.encode() in content for content in contents)]
    return found, sum(map(len, contents))


def print_search(found: Sequence[str], searched: int, database: Path, out: Output) -> None:
    """The result of the search for what was typed as a password."""
    if found:
        out.line(Piece(f"{len(found)} of the passwords typed above can be read in {database}: a fault.", "bold red"))
    else:
        out.line(f"No password typed above is anywhere in {database} ({searched:,} bytes searched).")


def print_next(alias: str | None, database: Path, records: Sequence[Record], out: Output) -> None:
    """Commands to be typed, and what each is for; before them what `asgi-audit` stands for, unless a shell knows it."""
    crash = next(record for record in records if record.outcome is Outcome.ERROR)
    if alias is not None:
        out.line("    ", Piece(f"alias asgi-audit={quote(alias)}", "bold"))
    commands = (
        (f"log {database}", "the whole trail"),
        (f"log {database} --outcome denied", "who was turned away"),
        (f"log {database} --actor grace", "what Grace did"),
        (f"show {database} {short_id(crash)}", "the crash in full"),
        (f"tail -f {database}", "watch the next demo"),
    )
    width = max(len(arguments) for arguments, _ in commands)
    for arguments, purpose in commands:
        out.line("    ", Piece(f"asgi-audit {arguments:<{width}}", "bold"), "  ", Piece(purpose, "dim"))
