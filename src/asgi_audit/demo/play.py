"""One performance of the demo, from the empty stage to the last line on the screen."""

import argparse
import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.output import standard_output
from asgi_audit.demo import report
from asgi_audit.demo.app import Ledger
from asgi_audit.demo.server import serve
from asgi_audit.demo.story import PHRASES, Scene, Story, the_company
from asgi_audit.record import APPLICATION_KINDS
from asgi_audit.sqlalchemy import AuditStore

DATABASE: Final = Path("asgi-audit-demo.db")

POLICY: Final = Policy(
    [
        # A sign-in has much to prove and much to hide: its body is kept, without the password.
        Rule(Level.REQUEST, methods=["POST"], paths=["/sign-in"]),
        *Policy.mutations,
    ]
)


def run(arguments: argparse.Namespace) -> int:
    """Perform, and print what a person would want to see. A trail of an earlier run is continued."""
    del arguments  # the demo has no options
    if not os.access(Path.cwd(), os.W_OK):
        raise CommandFailed(
            f"the demo leaves {DATABASE} in this directory, which is not writable: cd elsewhere", Exit.USAGE
        )
    out = standard_output()
    continued = DATABASE.exists()
    began = datetime.now(UTC)
    url = f"sqlite:///{DATABASE}"
    with AuditTrail(url, policy=POLICY, service="ledger") as trail:
        with serve(AuditMiddleware(Ledger(the_company()), trail)) as address:
            story = Story(address, secrets.token_hex(4))
            out.line(f"An invoice service on http://{address}: what is done to it, and the record that this leaves.")
            out.line()
            story.tell()
        story.work_by_night(trail)
    records = asyncio.run(_records(url, began))
    report.print_scenes([(scene, _record_of(scene, records)) for scene in story.scenes], out)
    out.line()
    report.print_body(records, out)
    found, searched = report.find_phrases(PHRASES, _files())
    report.print_search(found, searched, DATABASE, out)
    out.line()
    out.line(f"The trail is in {DATABASE}{', after those of earlier runs' if continued else ''}. Look at it:")
    report.print_next(_alias(), DATABASE, records, out)
    return Exit.NOT_FOUND if found else Exit.OK


def _files() -> list[Path]:
    """The database, and whatever stands beside it under its name: SQLite's files, the journal's."""
    places = Path.cwd().glob(f"{DATABASE}*")
    return [path for place in places for path in (place, *place.rglob("*")) if path.is_file()]


async def _records(url: str, since: datetime) -> list[Record]:
    async with AuditStore(url) as store:
        return [record async for record in store.query(since=since, oldest_first=True)]


def _record_of(scene: Scene, records: Sequence[Record]) -> Record | None:
    """The record that the scene left: that of its request, or for the job the event without one."""
    for record in records:
        request_id = None if record.request is None else record.request.id
        if record.kind in APPLICATION_KINDS and request_id == scene.request_id:
            return record
    return None


def _alias() -> str | None:
    """How to call this program where its name is not on the path."""
    return None if shutil.which("asgi-audit") else f"{sys.executable} -m asgi_audit"
