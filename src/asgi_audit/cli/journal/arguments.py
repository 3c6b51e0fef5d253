"""The options of `asgi-audit journal ls|cat|ship`."""

import argparse

_PLACE = (
    "the journal's directory; or the trail's database, as a URL or the path of a SQLite file, whose journal is where "
    "it is by default; $ASGI_AUDIT_URL if left out"
)


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the three verbs below `journal`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, summary: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        below = verbs.add_parser(name, help=summary, description=description, allow_abbrev=False)
        below.add_argument("place", nargs="?", metavar="DIR", help=_PLACE)
        below.set_defaults(verb=f"journal {name}")
        return below

    _ls(verb("ls", "list the writers, whether they live, and what waits for which sink since when"))
    _cat(verb("cat", "print the records as JSON lines, whether their writers live or not; nothing is changed"))
    _ship(verb("ship", "deliver what dead writers have left, and leave living ones alone"))


def _ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object per writer and line")
    parser.add_argument("--local", action="store_true", help="show times in the machine's zone, not UTC")


def _cat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--writer", default="", metavar="PREFIX", help="only of writers whose ids begin so")
    parser.add_argument("--lane", metavar="NAME", help="only what waits for this sink, named as `journal ls` names it")
    parser.add_argument("--pending", action="store_true", help="only what waits for any sink")
    parser.add_argument("--intents", action="store_true", help="also what has begun and has no record yet")


def _ship(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="URL", help="where to: as a trail's sink is given; $ASGI_AUDIT_URL if left out")
    parser.add_argument("--lane", metavar="NAME", help="what waits for the sink of this name; that of URL if left out")
