"""What servers do with a running request when they are told to end, and what is on record then.

`python -m tests.servers.survey` asks all of them, and writes the table of docs/servers.md anew.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from asgi_audit import AuditError, AuditTrail, Outcome, Record
from asgi_audit.sqlalchemy import AuditStore
from tests.servers.hosts import COMMANDS, Host, Slow, hosted, until

PAGE: Final = Path(__file__).parents[2] / "docs" / "servers.md"
BEGIN: Final = "<!-- by tests/servers/survey.py -->\n"
END: Final = "<!-- end -->\n"
_SOON: Final = 0.2  # seconds after a signal; no server tells when it has got one
#: How a server is told to end, while a request is running.
WAYS: Final = {
    "within": "`SIGTERM`, the request ends in time",
    "past": "`SIGTERM`, it does not",
    "twice": "`SIGINT` twice",
    "kill": "`SIGKILL`",
}


class Ending(NamedTuple):
    """What became of it all."""

    answered: bool  # the client has got the application's answer
    lifespan: bool  # the application was told to shut down
    records: list[Record]  # after a restart, oldest first: of requests, and of losses

    @property
    def outcome(self) -> Outcome | None:
        """How the record says that the running request has ended."""
        (record,) = [each for each in self.records if each.request is not None and each.request.path == "/slow"]
        return record.outcome


def end(command: str, way: str, directory: Path) -> Ending:
    """Serve, ask one thing, ask another that takes long, and end the server meanwhile; then see what is on record."""
    with hosted(command, directory) as host:
        assert httpx.post(f"{host.address}/quick", trust_env=False).status_code == 200
        slow = Slow(host)
        _tell(host, way)
        host.wait()
        answered = slow.join_() == 200
        life = host.life()
    with contextlib.chdir(directory), AuditTrail("sqlite:///audit.db", journal="journal"):
        until(lambda: len(_read()) >= 2)  # a restart takes over what dead processes have left
        records = _read()
    return Ending(answered, "lifespan.shutdown" in life, records)


def _tell(host: Host, way: str) -> None:
    match way:
        case "within":
            host.signal(signal.SIGTERM)
            time.sleep(_SOON)
            (host.directory / "go").touch()
        case "past":
            host.signal(signal.SIGTERM)
        case "twice":
            host.signal(signal.SIGINT)
            time.sleep(_SOON)
            host.signal(signal.SIGINT)
        case "kill":
            host.kill()


def _read() -> list[Record]:
    """What the database in this directory holds, but for openings and closings."""

    async def read() -> list[Record]:
        async with AuditStore("sqlite:///audit.db") as store:
            return [each async for each in store.query(oldest_first=True) if each.kind in {"http", "loss"}]

    with contextlib.suppress(AuditError):  # the tables are not there yet
        return asyncio.run(read())
    return []


def rows(page: str) -> dict[str, list[str]]:
    """The cells of the page's table, by the server."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in table.splitlines()]
    return {first.strip("`"): others for first, *others in cells if first.strip("`") in COMMANDS}


def main() -> None:
    """Write the table."""
    lines = [f"| | {' | '.join(WAYS.values())} | told to shut down |", f"| --- |{' --- |' * (len(WAYS) + 1)}"]
    lines += [f"| `{command}` | {' | '.join(_cells(command))} |" for command in COMMANDS]
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n".join(["", *lines, "", ""]) + END + after, encoding="utf-8")


def _cells(command: str) -> Iterator[str]:
    told = False
    for way in WAYS:
        with tempfile.TemporaryDirectory() as directory:
            ending = end(command, way, Path(directory))
        told = told or (way == "within" and ending.lifespan)
        yield str(ending.outcome)
    yield "yes" if told else "no"


if __name__ == "__main__":
    os.umask(0o077)
    main()
