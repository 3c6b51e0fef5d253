"""The command line: its verbs and options, and how every ending becomes an exit code."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import NoReturn

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity import arguments as integrity
from asgi_audit.cli.journal import arguments as journal
from asgi_audit.errors import AuditError, ConfigurationError, MissingDependencyError

# Which module runs a verb. It is imported when the verb is used: each may need an extra that is not installed.
_MODULES = {
    "log": "asgi_audit.cli.log",
    "show": "asgi_audit.cli.show",
    "tail": "asgi_audit.cli.tail",
    "upgrade": "asgi_audit.cli.upgrade",
    "explain": "asgi_audit.cli.explain",
    "coverage": "asgi_audit.cli.coverage",
    "journal ls": "asgi_audit.cli.journal.ls",
    "journal cat": "asgi_audit.cli.journal.cat",
    "journal ship": "asgi_audit.cli.journal.ship",
    **{
        verb: f"asgi_audit.cli.integrity.{verb}"
        for verb in ("keygen", "seal", "verify", "export", "prove", "check", "erase", "purge")
    },
    "demo": "asgi_audit.demo",
}

#: Their exit codes are verdicts, so whatever keeps them from one has a code of its own, a fault of ours, too.
_VERDICTS = frozenset({"verify", "check"})

_URL = "the database: sqlite:///audit.db, postgresql://…, or the path of a SQLite file; $ASGI_AUDIT_URL if left out"

_EPILOG = """\
exit codes:
  0    done; also when no record matches a list, when nothing was to be shipped, and when seal gave way to another
  1    show, prove: there is no such record, or no proof of it; journal cat: no such writer;
       coverage: a route is not recorded
  2    an argument is wrong
  3    the database can't be reached, read or upgraded; journal: something can't be read, or was not delivered;
       seal: refused, or an anchor failed; erase, purge: a record is not what it was; purge: nothing is anchored
  4    a package is missing; the message is the line that installs it
  130  ended by Ctrl-C
  141  whoever read the output went away
verify: 0 PASS, 1 TAMPERED, 2 UNANCHORED, 3 DECLARED LOSS, 4 it could not be done, whatever the reason
check:  0 proved, 1 not proved, 4 it could not be done

Colour appears on a terminal if rich is installed (pip install 'asgi-audit[cli]') and NO_COLOR is not set.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every error of this command is said."""

    def error(self, message: str) -> NoReturn:
        raise CommandFailed(f"{message} (see {self.prog} --help)", Exit.USAGE)


class _Version(argparse.Action):
    """Looks the release up only when asked: the package may run without being installed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"asgi-audit {version('asgi-audit')}\n")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The verbs and their options."""
    parser = _Parser(
        prog="asgi-audit",
        description="Read, seal and verify the audit trail of an ASGI application.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show which release this is")
    parser.add_argument("--traceback", action="store_true", help="show the Python traceback of an error")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, summary: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        return verbs.add_parser(name, help=summary, description=description, allow_abbrev=False)

    _log(verb("log", "list records, the newest first"))
    _show(verb("show", "show one record with everything it holds"))
    _tail(verb("tail", "show the last records and, with -f, those to come"))
    _upgrade(verb("upgrade", "create the tables, or bring them to this version's schema"))
    _explain(verb("explain", "tell which rule of the policy decides a request, and how"))
    _coverage(verb("coverage", "tell whether all routes that change something are recorded"))
    integrity.add_to(verb, _database, partial(_filters, own=False))
    journal.add_to(verb("journal", "look into journal directories, and deliver what dead processes have left there"))
    verb("demo", "run a small application and look at the trail that it leaves")
    return parser


def _log(parser: argparse.ArgumentParser) -> None:
    _database(parser)
    _filters(parser)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many records (50)")
    amount.add_argument("--all", action="store_const", const=None, dest="limit", help="every record that matches")
    parser.add_argument("--oldest-first", action="store_true", help="begin with the oldest record")
    _form(parser, csv=True)


def _show(parser: argparse.ArgumentParser) -> None:
    _database(parser)
    parser.add_argument("id", metavar="ID", help="a record's id, or the beginning of one that no other record shares")
    _form(parser)


def _tail(parser: argparse.ArgumentParser) -> None:
    _database(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new records until Ctrl-C")
    parser.add_argument("-n", "--lines", type=_count, default=10, metavar="N", help="begin with the last N (10)")
    _filters(parser)
    _form(parser)


def _upgrade(parser: argparse.ArgumentParser) -> None:
    _database(parser)
    parser.add_argument(
        "--append-only", action="store_true", help="let nothing but erase and purge change or delete rows"
    )


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="GET, POST, …, or WEBSOCKET")
    parser.add_argument("path", metavar="PATH", help="the path of the request, without a query: /users/7")
    parser.add_argument(
        "--app",
        metavar="MODULE:ATTR",
        help="an application under AuditMiddleware, an AuditTrail or a Policy; left out: the default policy",
    )


def _coverage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="MODULE:ATTR", help="the application, with its audit")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="ROUTE",
        help="'POST /health': a route that is left out on purpose; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def _database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", metavar="URL", help=_URL)


def _filters(parser: argparse.ArgumentParser, *, own: bool = True) -> None:
    group = parser.add_argument_group("filters", "A record must match all that are given.")
    group.add_argument("--actor", metavar="ID", help="who acted")
    group.add_argument("--actor-type", metavar="TYPE", help="the actor's type, as user or job")
    group.add_argument("--action", metavar="NAME", help="what was done, as invoice.approve or 'POST /users/{id}'")
    group.add_argument("--target", metavar="ID", help="the resource acted on")
    group.add_argument("--target-type", metavar="TYPE", help="its type, as invoice")
    group.add_argument("--outcome", metavar="WORD", help="success, denied, failed, error, disconnected, …")
    group.add_argument("--status", metavar="CODE", help="a status, a class or a range: 403, 4xx, 400-499")
    group.add_argument("--method", metavar="METHOD", help="the request's method")
    group.add_argument("--path", metavar="TEXT", help="text that the request's path contains")
    group.add_argument("--route", metavar="ROUTE", help="the request's route, as /users/{id}")
    group.add_argument("--request-id", metavar="ID", help="the request's id, as sent in x-request-id")
    group.add_argument("--ip", metavar="ADDRESS", help="the client's address")
    group.add_argument("--tenant", metavar="TENANT", help="the tenant")
    group.add_argument("--since", metavar="TIME", help="not before: 30m, 2h, 7d (ago), today, yesterday, or ISO 8601")
    group.add_argument("--until", metavar="TIME", help="before; written as for --since")
    if own:
        group.add_argument(
            "--kind", metavar="KIND", help="http, websocket or event; open, close, loss: the trail's own"
        )
        group.add_argument("--own", action="store_true", help="with the trail's own records, not losses alone")
    else:
        group.add_argument("--kind", metavar="KIND", help="http, websocket or event")
        parser.set_defaults(own=False)


def _form(parser: argparse.ArgumentParser, csv: bool = False) -> None:
    group = parser.add_argument_group("form")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", const="json", dest="form", help="one JSON object per line")
    if csv:
        form.add_argument("--csv", action="store_const", const="csv", dest="form", help="for spreadsheets")
    group.add_argument("--local", action="store_true", help="read and show times in the machine's zone, not UTC")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; `argv` is that of the process if left out."""
    arguments = sys.argv[1:] if argv is None else argv
    verb = next((word for word in arguments if not word.startswith("-")), "")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a record may hold what the terminal's encoding does not
    try:
        parsed = build_parser().parse_args(arguments)
        code = int(import_module(_MODULES[parsed.verb]).run(parsed))
        sys.stdout.flush()  # here, where a reader that went away is still quiet
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more at its end: there must be nothing that it could complain about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    except Exception as error:
        if isinstance(error, AuditError) and "--traceback" not in arguments:
            print(f"asgi-audit: {error}", file=sys.stderr)
            return Exit.NOT_RUN if verb in _VERDICTS else _code(error)
        if verb not in _VERDICTS:
            raise
        traceback.print_exc()  # the interpreter would end with 1, which is a verdict
        return Exit.NOT_RUN
    return code


def _code(error: AuditError) -> Exit:
    match error:
        case CommandFailed():
            return error.code
        case MissingDependencyError():
            return Exit.DEPENDENCY
        case ConfigurationError():
            return Exit.USAGE
    return Exit.DATABASE
