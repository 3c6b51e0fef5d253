"""The options of `asgi-audit keygen|seal|verify|export|prove|check|erase|purge`."""

import argparse
from collections.abc import Callable
from typing import Final

from asgi_audit.cli.moments import parse_duration

Verb = Callable[[str, str], argparse.ArgumentParser]
Options = Callable[[argparse.ArgumentParser], None]

_PARTS: Final = ("actor", "target", "detail")
_SEVERAL: Final = "may be given several times"
_PUBLIC: Final = "a public key that you trust: the FILE.pub that keygen made, or its text; may be given several times"
_MAC: Final = "the file with the secret of the records' MACs"


def add_to(verb: Verb, database: Options, filters: Options) -> None:
    """Add the verbs."""
    _keygen(verb("keygen", "make the key that signs checkpoints, and its public half"))
    _seal(verb("seal", "give stored records their place in the signed tree, and tell anchors of it"), database)
    _verify(verb("verify", "find out whether the trail is what it was"), database)
    _export(verb("export", "write a log to a file, to be verified without its database"), database)
    _prove(verb("prove", "print the proof of one record, for somebody who has no database"), database)
    _check(verb("check", "check a proof, with nothing but the file and a public key"))
    _erase(verb("erase", "erase parts of records; the rest still proves that they were there"), database, filters)
    _purge(verb("purge", "delete old records that are sealed and anchored, and keep what proves the others"), database)


def _keygen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FILE", help="where the key goes; FILE.pub is its public half")
    parser.add_argument(
        "--name", metavar="NAME", help="the log's name, as audit.example.com/billing; else a random one"
    )


def _seal(parser: argparse.ArgumentParser, database: Options) -> None:
    database(parser)
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FILE",
        help="a key by keygen; to rotate, once the old and the new; without one, nothing is signed",
    )
    _anchors(parser, "where checkpoints are published: a file, a URL (POST), or logger:NAME (standard error)")
    parser.add_argument("--every", type=_duration, metavar="TIME", help="go on, with a pass every 10s, 1m, …")
    parser.add_argument("--restart", action="store_true", help="begin anew, where anchors know more than the database")
    parser.add_argument("--reason", metavar="TEXT", help="why it is restarted: stays in the trail for ever")
    parser.add_argument("--mac", metavar="FILE", help=f"{_MAC}, for the record that a restart writes")


def _verify(parser: argparse.ArgumentParser, database: Options) -> None:
    database(parser)
    parser.add_argument("--offline", metavar="BUNDLE", help="verify a file made by export, without a database")
    parser.add_argument("--older", action="store_true", help="the file may end before what the anchors know by now")
    _anchors(parser, "where checkpoints were published: a file, or a URL (GET)")
    _public_keys(parser)
    parser.add_argument("--mac", metavar="FILE", help=f"{_MAC}: every record must have one")
    _mac_from(parser)
    parser.add_argument("--log", metavar="NAME", help="the log's name, where anchors hold several")
    parser.add_argument("--json", action="store_true", help="the whole report as one JSON object")


def _export(parser: argparse.ArgumentParser, database: Options) -> None:
    database(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="where the bundle goes; nothing is overwritten")


def _prove(parser: argparse.ArgumentParser, database: Options) -> None:
    database(parser)
    parser.add_argument("id", metavar="ID", help="a record's id, or the beginning of one that no other record shares")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=_PARTS,
        help=f"do not show this part; it stays committed to; {_SEVERAL}",
    )


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the proof; - is standard input")
    _public_keys(parser)
    parser.add_argument("--json", action="store_true", help="the record as one JSON object")
    parser.add_argument("--local", action="store_true", help="show times in the machine's zone, not UTC")


def _erase(parser: argparse.ArgumentParser, database: Options, filters: Options) -> None:
    database(parser)
    filters(parser)
    parser.add_argument(
        "--id", action="append", default=[], metavar="ID", help=f"a record's id, or the beginning of it; {_SEVERAL}"
    )
    parser.add_argument(
        "--part",
        action="append",
        default=[],
        choices=_PARTS,
        help="what goes: actor (who, address, user agent; the default), target (what, tenant), detail (all else); "
        + _SEVERAL,
    )
    _for_certain(parser)
    parser.add_argument("--mac", metavar="FILE", help=f"{_MAC}, for the records that this writes")


def _purge(parser: argparse.ArgumentParser, database: Options) -> None:
    database(parser)
    parser.add_argument(
        "--before", required=True, metavar="TIME", help="what was made before 365d (ago), 2025-01-01, …"
    )
    _anchors(parser, "where checkpoints were published, a file or a URL (GET): only what is there is purged")
    _public_keys(parser)
    _for_certain(parser)
    parser.add_argument("--mac", metavar="FILE", help=f"{_MAC}: each must have one, and gets one")
    _mac_from(parser)


def _anchors(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--anchor", action="append", default=[], metavar="PLACE", help=f"{what}; {_SEVERAL}")


def _public_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--public-key", "--key", action="append", default=[], metavar="KEY", help=_PUBLIC)


def _for_certain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="why: stays in the trail for ever, so name no person")
    parser.add_argument("--yes", action="store_true", help="do it; without this, only say what would be done")


def _mac_from(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mac-from", type=_index, metavar="INDEX", help="but for those sealed before this one")


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no index, which is a number from 0 up")
    return int(text)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
