import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfile
from threading import Thread

import pytest

from asgi_audit.cli import main
from asgi_audit.cli.integrity.passes import report
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.record import Record
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import NAME, Seal
from tests.cli.sample import a_record

UNANCHORED = "No --anchor: nobody but the database's owner has the checkpoints.\n"


def test_what_is_stored_is_sealed_signed_and_anchored(
    url: str, store: Store, story: Sequence[Record], key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how much; done again, there is nothing new."""
    store(url, story)
    assert main(["seal", url, "--key", key, "--anchor", anchor]) == 0
    assert capsys.readouterr() == (f"Sealed 5 records; the tree has 5, signed by {NAME}.\n", "")
    store(url, [a_record()])
    assert main(["seal", url, "--key", key, "--anchor", anchor]) == 0
    assert main(["seal", url, "--key", key, "--anchor", anchor]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Sealed 1 record; the tree has 6, signed by {NAME}.",
        f"Sealed 0 records; the tree has 6, signed by {NAME}.",
    ]
    lines = Path(anchor).read_text().splitlines()
    assert [json.loads(line)["checkpoint"].split("\n")[:2] for line in lines] == [[NAME, "5"], [NAME, "6"]]


def test_without_key_and_anchor_it_says_what_is_missing(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is done all the same."""
    assert main(["seal", trail]) == 0
    assert capsys.readouterr() == ("Sealed 5 records; the tree has 5, not signed (--key).\n", UNANCHORED)


def test_several_keys_sign_together(trail: str, tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As when one takes the other's place."""
    assert main(["keygen", "--out", str(tmp_path / "new.key"), "--name", "new.example"]) == 0
    capsys.readouterr()
    assert main(["seal", trail, "--key", key, "--key", str(tmp_path / "new.key")]) == 0
    assert capsys.readouterr().out.endswith(f"signed by {NAME}, new.example.\n")


def test_where_nothing_is_stored_there_is_nothing_to_seal(
    url: str, store: Store, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is no error, and no checkpoint."""
    store(url, [])
    assert main(["seal", url, "--anchor", anchor]) == 0
    assert capsys.readouterr() == ("Nothing is stored yet, so there is nothing to seal.\n", "")
    assert not Path(anchor).exists()


def test_giving_way_is_said_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is claimed: it was the other who has sealed."""
    report(Sealed(0, 0, None, True, []))
    assert capsys.readouterr().out == "Another sealer is at work on this database; this one has given way.\n"


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The URL of a server that answers whatever it is asked with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/checkpoints"
        finally:
            server.shutdown()
            thread.join()


def test_an_anchor_that_fails_is_named(trail: str, key: str, anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sealed stays sealed, other anchors are told, and the exit code says that something is left to do."""
    with answering(503) as url:
        assert main(["seal", trail, "--key", key, "--anchor", url, "--anchor", anchor]) == 3
        out, error = capsys.readouterr()
        assert out == f"Sealed 5 records; the tree has 5, signed by {NAME}.\n"
        assert error.startswith(f"asgi-audit: webhook:{url} did not take the checkpoint: ")
        assert error.endswith(": answered 503\n")
    assert Path(anchor).exists()
    with answering(204) as url:
        assert main(["seal", trail, "--key", key, "--anchor", url, "--anchor", anchor]) == 0
    assert capsys.readouterr().err == ""


def test_a_logger_s_checkpoints_go_to_standard_error(trail: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command has nobody who would configure handlers for it; the line is the bare checkpoint."""
    logger = logging.getLogger("tests.checkpoints")
    try:
        assert main(["seal", trail, "--key", key, "--anchor", "logger:tests.checkpoints"]) == 0
        out, error = capsys.readouterr()
    finally:
        logger.handlers.clear()
    assert out.startswith("Sealed 5 records")
    assert json.loads(error)["checkpoint"].startswith(f"{NAME}\n5\n")


def test_a_restored_backup_is_refused_until_the_log_is_restarted(
    tmp_path: Path, store: Store, sealed_file: str, seal: Seal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The anchor knows more. The restart says under which name the log goes on, and its reason stays in the trail."""
    copyfile(sealed_file, tmp_path / "backup.db")
    store(f"sqlite:///{sealed_file}", [a_record(), a_record()])
    seal(f"sqlite:///{sealed_file}")
    arguments = ["seal", str(tmp_path / "backup.db"), "--key", str(tmp_path / "audit.key")]
    arguments += ["--anchor", str(tmp_path / "checkpoints.jsonl")]
    assert main(arguments) == 3
    out, error = capsys.readouterr()
    assert out == ""
    assert "knows 6 sealed records, the database has 4; if a backup was restored: asgi-audit seal --restart" in error
    assert main([*arguments, "--restart", "--reason", "the disk broke"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"Sealed 1 record; the tree has 5, signed by {NAME}."
    assert second.startswith(f"The log goes on as {NAME}/restart-")
    assert main(arguments) == 0
    capsys.readouterr()
    assert main(["log", str(tmp_path / "backup.db"), "--kind", "loss", "--json"]) == 0
    loss = json.loads(capsys.readouterr().out)
    assert (loss["reason"], loss["data"]["records"]) == ("the disk broke", 2)


def test_a_log_that_was_cut_is_refused(sealed_file: str, anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, and nothing is signed."""
    with closing(sqlite3.connect(sealed_file)) as connection:
        connection.execute("DELETE FROM audit_leaves WHERE idx = 1")
        connection.commit()
    assert main(["seal", sealed_file, "--anchor", anchor]) == 3
    out, error = capsys.readouterr()
    assert out == ""
    assert error == "asgi-audit: the leaf 1 is missing from the database\n"


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "which database? give a URL"),
        (["none.db"], 2, "url='sqlite:///none.db': there is no such file"),
        (["empty.db"], 3, "the database has no audit tables, this code needs version 1: run `asgi-audit upgrade"),
        (["audit.db", "--key", "none"], 2, "path='none': there is no such file: make it with `asgi-audit keygen"),
        (["audit.db", "--key", "audit.key.pub"], 2, "path='audit.key.pub': holds no signing key: this is the public"),
        (["audit.db", "--key", "audit.db"], 2, "path='audit.db': holds no signing key: this is no private key"),
        (["audit.db", "--anchor", "nowhere/a"], 2, "path='nowhere/a': the directory"),
        (["audit.db", "--anchor", "."], 2, "path='.': this is a directory; name a file in it"),
        (["audit.db", "--anchor", "ftp://x"], 2, "anchor='ftp://…': no anchor is known for this scheme"),
        (["audit.db", "--every", "soon"], 2, "argument --every: 'soon' is no time; write 10s, 5m or 1h"),
        (["audit.db", "--every", "0s"], 2, "argument --every: '0s' is no time"),
        (["audit.db", "--restart"], 2, "say why, with --reason: it stays in the trail for ever"),
        (["audit.db", "--restart", "--reason", " "], 2, "say why, with --reason"),
        (["audit.db", "--reason", "x"], 2, "--reason goes with --restart"),
        (["audit.db", "--restart", "--every", "1s"], 2, "--restart is done once, without --every"),
        (["audit.db", "--mac", "none"], 2, "mac='none': it can't be read: No such file or directory"),
        (["audit.db", "--mac", "short"], 2, "mac='short': the secret is too short"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str],
    code: int,
    reason: str,
    tmp_path: Path,
    trail: str,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each with its exit code; nothing is sealed."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    (tmp_path / "short").write_text("0123")
    assert main(["seal", *arguments]) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1
    with closing(sqlite3.connect(trail)) as connection:
        assert connection.execute("SELECT count(*) FROM audit_leaves").fetchone() == (0,)
