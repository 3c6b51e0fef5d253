"""The demo, performed for real: what it prints, what it leaves, and what it does not."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from asgi_audit.cli import main
from asgi_audit.cli.output import PlainOutput
from asgi_audit.demo import report
from asgi_audit.demo.app import Ledger
from asgi_audit.demo.people import People
from asgi_audit.demo.story import ADAS_PHRASE, PHRASES, the_company
from asgi_audit.record import APPLICATION_KINDS, Actor, Outcome, Record
from asgi_audit.sqlalchemy import AuditStore
from tests.cli.sample import a_record

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

# action, outcome, status, actor, target: of every scene that leaves a record, in order
STORY = [
    ("session.create", "denied", 401, None, "ada"),
    ("session.create", "success", 201, "ada", "ada"),
    ("user.create", "success", 201, "ada", "grace"),
    ("user.rename", "success", 204, "ada", "grace"),
    ("POST /invoices", "success", 201, "ada", "2026-001"),
    ("session.create", "success", 201, "grace", "grace"),
    ("DELETE /invoices/{id}", "denied", 403, "grace", "2026-001"),
    ("POST /invoices/{id}/send", "error", 500, "grace", "2026-001"),
    ("POST /exports", "disconnected", 200, "grace", None),
    ("WEBSOCKET /live", "success", None, "grace", None),
    ("report.export", "success", None, "grace", "revenue"),
    ("invoice.remind", "success", None, "nightly-reminders", "2026-001"),
]


def records(database: Path) -> list[Record]:
    """What is in the database, the oldest first, without the trail's own."""

    async def read() -> list[Record]:
        async with AuditStore(f"sqlite:///{database}") as store:
            found = [record async for record in store.query(oldest_first=True)]
            return [record for record in found if record.kind in APPLICATION_KINDS]

    return asyncio.run(read())


def performed(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user does."""
    command = [sys.executable, "-m", "asgi_audit", "demo"]
    return subprocess.run(
        command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the demo was performed, as a user does it."""
    directory = tmp_path_factory.mktemp("demo")
    ended = performed(directory)
    assert (ended.returncode, ended.stderr) == (0, "")
    (directory / "printed").write_text(ended.stdout)
    return directory


def facts(record: Record) -> tuple[str, str | None, int | None, str | None, str | None]:
    """What is to be compared."""
    return (
        record.action,
        None if record.outcome is None else record.outcome.value,
        record.status,
        None if record.actor is None else record.actor.id,
        record.targets[0].id if record.targets else None,
    )


def test_every_scene_leaves_the_record_that_it_should(stage: Path) -> None:
    """A sign-in that fails, one that succeeds, a refusal, a crash, a hang-up, a websocket, a sensitive read, a job."""
    found = records(stage / "asgi-audit-demo.db")
    assert Counter(map(facts, found)) == Counter(STORY)
    by_action = {record.action: record for record in found}
    crash = by_action["POST /invoices/{id}/send"]
    assert crash.error is not None
    assert crash.error.type == "ConnectionRefusedError"
    socket = by_action["WEBSOCKET /live"].websocket
    assert socket is not None
    assert (socket.code, socket.received.messages, socket.sent.messages) == (1000, 2, 2)
    assert by_action["user.rename"].reason == "spelling"
    assert {record.service for record in found} == {"ledger"}


def test_no_password_is_anywhere(stage: Path) -> None:
    """Neither on the screen nor in a file, although a rule asks for the body of the sign-in."""
    ada = Actor("ada", type="user", name="Ada Lovelace", source="set_actor")
    (body,) = [
        record.request.body
        for record in records(stage / "asgi-audit-demo.db")
        if record.request and record.request.body and record.status == 201 and record.actor == ada
    ]
    assert body.text is not None
    assert "ada@example.com" in body.text
    for path in filter(Path.is_file, stage.rglob("*")):
        assert not [phrase for phrase in PHRASES if phrase.encode() in path.read_bytes()]


def test_the_story_is_told_with_its_records(stage: Path) -> None:
    """A sentence per scene, below it the record, then what to type next; lines fit a terminal of 100 columns."""
    text = (stage / "printed").read_text()
    assert re.search(r"Ada mistypes her password\.\n    denied 401 +session\.create +user ada\n", text)
    assert re.search(r"which this policy does not record\.\n    no record\n", text)
    assert text.count("    no record\n") == 1
    assert re.search(r"No password typed above is anywhere in asgi-audit-demo\.db \([\d,]+ bytes searched\)\.", text)
    assert "The trail is in asgi-audit-demo.db. Look at it:" in text


def test_what_to_type_next_works(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command that ends by itself is run as it stands there."""
    monkeypatch.chdir(stage)
    told = re.findall(r"^    asgi-audit (.*?)  ", (stage / "printed").read_text(), re.MULTILINE)
    assert len(told) == 5
    for command in told:
        assert main(command.replace("-f ", "").split()) == 0
        assert capsys.readouterr().out


def test_the_application_answers_as_an_application_should() -> None:
    """Also where the story does not lead: strangers, missing things, an administrator's delete, a body in pieces."""

    async def talk() -> list[int]:
        transport = httpx.ASGITransport(Ledger(the_company()))
        async with httpx.AsyncClient(transport=transport, base_url="http://ledger") as client:
            form = {"email": "ada@example.com", "password": ADAS_PHRASE}
            token = (await client.post("/sign-in", json=form)).json()["token"]
            ada = {"authorization": f"Bearer {token}"}

            async def pieces() -> AsyncIterator[bytes]:
                yield b'{"cents":'
                yield b"1999}"

            answers = [
                await client.post("/sign-in", json={"email": "eve@example.com", "password": "?"}),
                await client.get("/invoices"),
                await client.get("/nowhere", headers=ada),
                await client.patch("/users/eve", json={"name": "Eve", "reason": "?"}, headers=ada),
                await client.post("/invoices", content=pieces(), headers=ada),
                await client.delete("/invoices/2026-001", headers=ada),
            ]
            return [answer.status_code for answer in answers]

    assert asyncio.run(talk()) == [401, 401, 404, 404, 201, 204]


def test_a_second_performance_continues_the_trail(tmp_path: Path) -> None:
    """Nothing of the first is lost, and the scenes show the records of the second."""
    first = performed(tmp_path)
    second = performed(tmp_path)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "The trail is in asgi-audit-demo.db, after those of earlier runs." in second.stdout
    assert len(records(tmp_path / "asgi-audit-demo.db")) == 2 * len(STORY)


def test_nothing_is_left_but_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file, an empty place for journals, no thread; where the command has no name on the path, an alias."""
    before = set(threading.enumerate())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert main(["demo"]) == 0
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)  # the database driver's own, which has been told to end
        assert not thread.is_alive()
    database, journals = sorted(tmp_path.iterdir())
    assert database.name == "asgi-audit-demo.db"
    assert journals.name.startswith("asgi-audit-demo.db.journal-")
    assert list(journals.iterdir()) == []
    assert f"    alias asgi-audit='{sys.executable} -m asgi_audit'\n" in capsys.readouterr().out


def test_a_directory_that_cannot_take_the_database_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["demo"]) == 2
    assert "is not writable: cd elsewhere" in capsys.readouterr().err


def test_a_password_in_the_database_would_be_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The search that the demo reports finds what is there."""
    (tmp_path / "a.db").write_bytes(b"\0correct horse battery staple\0")
    (tmp_path / "a.db-wal").write_bytes(b"\0" * 10)
    found, searched = report.find_phrases(PHRASES, sorted(tmp_path.iterdir()))
    assert (found, searched) == (["correct horse battery staple"], 40)
    report.print_search(found, searched, Path("a.db"), PlainOutput(None))
    assert capsys.readouterr().out == "1 of the passwords typed above can be read in a.db: a fault.\n"


def test_a_command_with_a_name_needs_no_alias(capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed next begins with the trail."""
    report.print_next(None, Path("a.db"), [a_record(outcome=Outcome.ERROR)], PlainOutput(None))
    assert capsys.readouterr().out.startswith("    asgi-audit log a.db ")


def test_people_keep_no_pass_phrases() -> None:
    """The application itself recognises a phrase without knowing it."""
    people = People()
    ada = people.add("Ada Lovelace", "ada@example.com", "phrase")
    assert ada.id == "ada"
    assert ada.knows("phrase")
    assert not ada.knows("Phrase")
    assert "phrase" not in repr(ada)
    assert people.by_token(people.sign_in(ada)) is ada
    assert people.by_token("") is None
    assert people.by_email("bob@example.com") is None
