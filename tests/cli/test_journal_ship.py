import asyncio
import fcntl
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.journal import shipping
from asgi_audit.cli.journal.shipment import Shipment
from asgi_audit.sinks import name_sinks
from tests.cli.test_journal_ls import of_the_future
from tests.cli.writers import COMMAND, dead, directories, living, run
from tests.crash.database import Row, rows
from tests.lives.processes import ENVIRONMENT

NOBODY = "postgresql://me:hunter2@127.0.0.1:9/x"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the writers write."""
    return tmp_path / "journal"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "_RETRY", 0.01)


def lane_of(url: str) -> str:
    """The name of the sink."""
    (name,) = name_sinks([url])
    return name


def stored(url: str) -> dict[str, list[Row]]:
    """The rows of each writer, after making sure that none is missing and none stands twice."""
    writers: dict[str, list[Row]] = {}
    for row in rows(url):
        assert row.seq == len(writers.setdefault(row.writer, []))
        writers[row.writer].append(row)
    return writers


def kinds(url: str) -> Counter[str]:
    """How many rows there are of each kind."""
    return Counter(row.kind for row in rows(url))


def test_what_dead_writers_have_left_is_delivered(url: str, place: Path) -> None:
    """All of it, once, with the interrupted request and the end that recovery adds; nothing is left behind."""
    left = [dead(place, lane_of(url), path="/invoices/7"), dead(place, lane_of(url), count=2)]
    ended = run("ship", place, "--to", url)
    assert (ended.returncode, ended.stderr) == (Exit.OK, "")
    assert ended.stdout == f"Delivered to {lane_of(url)}: 10 records of 2 dead writers.\n"
    found = stored(url)
    assert [len(found[path.name]) for path in left] == [4, 3]
    assert kinds(url) == {"open": 2, "event": 5, "http": 1, "close": 2}
    assert [row.outcome for row in rows(url) if row.kind == "http"] == ["interrupted"]
    assert directories(place) == []
    again = run("ship", place, "--to", url)
    assert again.returncode == Exit.OK
    assert again.stderr == f"Nothing to ship: no dead writer has left anything for {lane_of(url)}.\n"


def test_living_writers_are_left_alone(url: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Theirs is to deliver what they have written; a dead neighbour's records are delivered."""
    with living(place, lane_of(url), path="/invoices/7"):
        (live,) = directories(place)
        before = {path.name: path.read_bytes() for path in live.iterdir()}
        assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
        assert capsys.readouterr().err == (
            f"Nothing to ship: no dead writer has left anything for {lane_of(url)}.\nLeft alone: 1 live.\n"
        )
        with living(place, "other"):
            assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
        assert main(["journal", "ship", str(place), "--to", url, "--lane", "other"]) == Exit.OK
        assert kinds(url) == {"open": 1, "event": 3, "close": 1}
        assert {path.name: path.read_bytes() for path in live.iterdir()} == before
        assert directories(place) == [live]


def test_two_that_ship_at_once_share_the_work(url: str, place: Path) -> None:
    """Each directory is shipped by exactly one of them."""
    with living(place, lane_of(url), writers=12):
        assert len(directories(place)) == 12
    command = [*COMMAND, "ship", str(place), "--to", url]
    both = [
        subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [Exit.OK, Exit.OK], said
    delivered = [re.search(r": (\d+) records? of (\d+) dead", out) for out, _ in said]
    assert sum(int(each[2]) for each in delivered if each) == 12
    assert sum(int(each[1]) for each in delivered if each) == len(rows(url)) == 60
    assert len(stored(url)) == 24
    assert kinds(url)["close"] == 12
    assert directories(place) == []


def test_many_more_than_are_taken_at_a_time_are_delivered(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it says how far it has come."""
    monkeypatch.setattr(shipping, "_TELL", 0.0)
    url = f"sqlite:///{tmp_path}/audit.db"
    with living(place, url, writers=20, count=1):
        pass
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
    out, error = capsys.readouterr()
    assert out == f"Delivered to {url}: 60 records of 20 dead writers.\n"
    assert re.fullmatch(r"(\d+ records delivered, \d+ to go\n)+", error)
    assert error.endswith("60 records delivered, 0 to go\n")
    assert len(rows(url)) == 60


def test_a_sink_may_have_been_renamed(url: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits for the old name is delivered on request, and never by guessing."""
    left = dead(place, "old", "other")
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.USAGE
    assert capsys.readouterr().err == (
        f"asgi-audit: nothing is kept for {lane_of(url)}; name what is to be delivered there with --lane: "
        "old (4), other (4)\n"
    )
    assert main(["journal", "ship", str(place), "--to", url, "--lane", "odl"]) == Exit.USAGE
    assert capsys.readouterr().err == "asgi-audit: --lane odl: nothing is kept for it; there is old (4), other (4)\n"
    assert directories(place) == [left]
    assert main(["journal", "ship", str(place), "--to", url, "--lane", "old"]) == Exit.OK
    out, error = capsys.readouterr()
    assert out == f"Delivered to {lane_of(url)}: 5 records of 1 dead writer.\n"
    assert error == "For other 5 records of dead writers still wait (--lane).\n"
    assert directories(place) == [left]
    assert main(["journal", "ship", str(place), "--to", url, "--lane", "other"]) == Exit.OK
    assert directories(place) == []
    assert kinds(url) == {"open": 1, "event": 3, "close": 1}
    assert main(["journal", "ship", str(place), "--to", url, "--lane", "gone"]) == Exit.OK


def test_a_path_is_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An application says where its file is from where it runs; the journal beside the file is found by the path."""
    place = tmp_path / "data" / "audit.db.journal-01234567"
    monkeypatch.setenv("ASGI_AUDIT_URL", f"sqlite:///{tmp_path}/data/audit.db")
    dead(place, "sqlite:///data/audit.db", "sqlite:///data/other.db")
    assert main(["journal", "ship"]) == Exit.OK
    assert len(rows(f"sqlite:///{tmp_path}/data/audit.db")) == 5
    monkeypatch.chdir(tmp_path)
    assert main(["journal", "ship", "--to", "data/other.db", str(place)]) == Exit.OK
    assert directories(place) == []
    assert "5 records of 1 dead writer" in capsys.readouterr().out


def test_there_may_be_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then there is nothing to ship, and no database is made; a destination must be given."""
    assert main(["journal", "ship", "--to", f"sqlite:///{tmp_path}/audit.db"]) == Exit.OK
    assert capsys.readouterr().err.startswith(f"Nothing to ship: there is no journal beside {tmp_path}/audit.db; ")
    assert not (tmp_path / "audit.db").exists()
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    assert main(["journal", "ship", str(tmp_path)]) == Exit.USAGE
    assert "where to? give --to" in capsys.readouterr().err


def test_damage_is_declared_and_the_rest_delivered(url: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the application would: a loss record, in the name of its service, and the bytes in quarantine."""
    left = dead(place, lane_of(url))
    (segment,) = left.glob("*.seg")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], b"broken\n", *lines[3:]]))
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
    assert "5 records of 1 dead writer" in capsys.readouterr().out
    (loss,) = [row for row in rows(url) if row.kind == "loss"]
    assert loss.data == {"entries": 1, "reason": "damaged in the journal", "records": 1, "writer": left.name}
    assert [row.seq for row in rows(url) if row.writer == left.name] == [0, 2, 3]
    assert [path.name for path in (place / "quarantine").iterdir()] == [f"{left.name}-000001.seg"]
    assert main(["log", url, "--kind", "loss", "--json"]) == Exit.OK
    assert '"service":"shop"' in capsys.readouterr().out


def test_a_journal_without_a_readable_header_is_delivered(tmp_path: Path, place: Path) -> None:
    """Nobody knows for whom it was, so it is for who asks."""
    url = f"sqlite:///{tmp_path}/audit.db"
    left = dead(place, "forgotten")
    (segment,) = left.glob("*.seg")
    segment.write_bytes(b"x" + segment.read_bytes())
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
    assert kinds(url) == {"open": 1, "event": 3, "loss": 1, "close": 1}


def test_a_newer_format_is_left_alone(tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is delivered, and the exit code says that something is left."""
    url = f"sqlite:///{tmp_path}/audit.db"
    future = of_the_future(place)
    dead(place, url)
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.DATABASE
    out, error = capsys.readouterr()
    assert out == f"Delivered to {url}: 5 records of 1 dead writer.\n"
    assert error == f"asgi-audit: {future} is of a newer format, and was left alone\nLeft alone: 1 newer format.\n"
    assert directories(place) == [future]


def test_a_sink_that_takes_nothing_is_given_up(url: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After three attempts, with the reason and without a password; what is left is still there for the next time."""
    left = dead(place, lane_of(url))
    assert main(["journal", "ship", str(place), "--to", NOBODY, "--lane", lane_of(url)]) == Exit.DATABASE
    out, error = capsys.readouterr()
    name = lane_of(NOBODY)
    assert out == f"Delivered to {name}: 0 records of 1 dead writer; 5 still wait.\n"
    assert f"asgi-audit: {name} does not take the records: " in error
    assert f"asgi-audit: sink {name} failed: " in error
    assert error.count("\n") == 2
    assert "hunter2" not in error
    assert directories(place) == [left]
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
    assert len(rows(url)) == 5


def test_what_cannot_be_taken_is_said(tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether somebody who only looks holds it all the time, or recovery fails."""
    url = f"sqlite:///{tmp_path}/audit.db"
    left = dead(place, url)
    with (left / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert main(["journal", "ship", str(place), "--to", url]) == Exit.DATABASE
    assert capsys.readouterr().out == f"Delivered to {url}: 0 records of 0 dead writers; 4 still wait.\n"
    (left / "000002.added.new").mkdir()
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.DATABASE
    out, error = capsys.readouterr()
    assert out == f"Delivered to {url}: 0 records of 0 dead writers; 4 still wait.\n"
    assert error.startswith("asgi-audit: what a dead writer has left could not be taken over: ")


def test_ctrl_c_leaves_everything_in_order(tmp_path: Path, place: Path) -> None:
    """What was on its way is finished and acknowledged, or waits; the next time nothing is missing or stands twice."""
    path = tmp_path / "audit.db"
    url = f"sqlite:///{path}"
    assert main(["upgrade", url]) == Exit.OK
    left = dead(place, url)
    command = [*COMMAND, "ship", str(place), "--to", url]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while not (left / "000002.added.seg").exists():  # another process's file: there is no event to await
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            other.execute("ROLLBACK")
            out, error = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, error
    assert "Traceback" not in error
    assert out.startswith((f"Delivered to {url}: 5 records", f"Delivered to {url}: 0 records"))
    assert main(["journal", "ship", str(place), "--to", url]) == Exit.OK
    assert len(rows(url)) == 5
    assert len(stored(url)) == 2
    assert directories(place) == []


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def _picky(url: str, actions: Sequence[str]) -> None:
    assert main(["upgrade", url]) == Exit.OK
    unwanted = ", ".join(f"'{action}'" for action in actions)
    asyncio.run(_execute(url, f"ALTER TABLE audit_records ADD CHECK (action NOT IN ({unwanted}))"))


def test_a_record_that_is_never_accepted_is_set_aside(
    tmp_path: Path, place: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the application: a stub stands in its place, and the others are delivered."""
    _picky(postgres_url, ["invoice.pay"])
    dead(place, lane_of(postgres_url), count=1)
    assert main(["journal", "ship", str(place), "--to", postgres_url]) == Exit.OK
    rejected = tmp_path / "state" / "asgi-audit" / "shop" / "rejected.jsonl"
    assert '"action":"invoice.pay"' in rejected.read_text()
    assert f"rejected a record: set aside in {rejected}\n" in capsys.readouterr().err
    assert kinds(postgres_url) == {"open": 1, "event": 1, "close": 1}
    assert directories(place) == []


def test_what_is_lost_on_the_way_is_declared(
    tmp_path: Path, place: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """If a rejected record can't be set aside either, the trail says so."""
    _picky(postgres_url, ["invoice.pay"])
    (tmp_path / "state" / "asgi-audit" / "shop" / "rejected.jsonl").mkdir(parents=True)
    dead(place, lane_of(postgres_url), count=1)
    assert main(["journal", "ship", str(place), "--to", postgres_url]) == Exit.OK
    assert "could not be set aside" in capsys.readouterr().err
    (loss,) = [row for row in rows(postgres_url) if row.kind == "loss"]
    assert (loss.data["records"], loss.data["sink"]) == (1, lane_of(postgres_url))
    assert kinds(postgres_url) == {"open": 1, "event": 1, "close": 1, "loss": 1}


def test_whatever_the_journal_loses_is_declared(tmp_path: Path, place: Path) -> None:
    """The shipment hears of it as an application's trail does."""
    url = f"sqlite:///{tmp_path}/audit.db"
    dead(place, url)
    ((name, sink),) = name_sinks([url]).items()
    delivery = shipping.Shipping(Shipment([place], name), name, sink, None)
    delivery.lost("for a test", 2)
    delivery.run()
    (loss,) = [row for row in rows(url) if row.kind == "loss"]
    assert loss.data == {"records": 2, "reason": "for a test"}
