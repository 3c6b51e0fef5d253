"""The journal directories that a command was pointed at."""

import os
from glob import escape
from pathlib import Path
from typing import Final, NamedTuple

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.journal.directory import hidden
from asgi_audit.journal.place import beside, state_directory
from asgi_audit.journal.remains import quarantine
from asgi_audit.journal.survey import Sighting, names_writer, survey
from asgi_audit.sinks import as_sink

VARIABLE: Final = "ASGI_AUDIT_URL"
_MARK: Final = "-" + "[0-9a-f]" * 8  # what the name of a default place ends in; see `default_place`


class Places(NamedTuple):
    """The directories, and in words where they were looked for."""

    directories: list[Path]
    where: str

    def survey(self) -> list[Sighting]:
        """What stands in all of them."""
        try:
            return [sighting for directory in self.directories for sighting in survey(directory)]
        except OSError as error:
            raise CommandFailed(f"{error.filename}: {error.strerror}", Exit.DATABASE) from error


def find_places(given: str | None) -> Places:
    """A journal's directory as it was given, or those where the journals of a database are by default."""
    given = given or os.environ.get(VARIABLE)
    if not given:
        raise CommandFailed(
            f"which journal? give its directory, or the database of the trail, or set {VARIABLE}", Exit.USAGE
        )
    if "://" in given:
        return _of_sink(getattr(as_sink(given), "name", given))
    path = Path(given)
    if path.is_dir():
        _check(path, given)
        return Places([path], given)
    found = _beside(path)
    if not found.directories and not path.exists():
        raise CommandFailed(f"{given}: there is no such directory, and no such database", Exit.USAGE)
    return found


def _of_sink(name: str) -> Places:
    file = beside(name)
    if file is not None:
        return _beside(file)
    state = state_directory()
    here = [] if state is None else sorted(state.glob(f"*{_MARK}"))
    found = [each for each in here if any(name in sighting.pending for sighting in Places([each], "").survey())]
    return Places(found, f"journal of {name} in {state}; if the application was given journal=DIR, name that")


def _beside(file: Path) -> Places:
    found = sorted(file.parent.glob(f"{escape(file.name)}.journal{_MARK}"))
    return Places(found, f"journal beside {file}; if the application was given journal=DIR, name that")


def _check(path: Path, given: str) -> None:
    if names_writer(path.absolute()):
        raise CommandFailed(
            f"{given} is one writer's directory: give the one around it, {path.absolute().parent}", Exit.USAGE
        )
    content = list(path.iterdir())
    if content and not any(names_writer(each) or hidden(each) or _is_quarantine(each) for each in content):
        raise CommandFailed(f"{given} is no journal: no writer has a directory in it", Exit.USAGE)


def _is_quarantine(path: Path) -> bool:
    return path == quarantine(path.parent)
