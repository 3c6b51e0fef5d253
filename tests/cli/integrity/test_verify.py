import errno
import io
import json
import os
import re
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record
from asgi_audit.signing import SigningKey, VerifierKey
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import NAME, Seal
from tests.cli.sample import a_record


def change(path: str, statement: str) -> None:
    """Do what only the owner of the database can."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_what_is_as_it_was_passes(sealed: str, key: str, anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict comes first, then what it rests on; nothing is said on standard error."""
    assert main(["verify", sealed, "--anchor", anchor, "--public-key", f"{key}.pub"]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    lines = out.splitlines()
    assert re.fullmatch(r"PASS  \S+: all that is sealed is as it was, and anchored", lines[0])
    assert lines[1:3] == ["", f"  log         {NAME}"]
    assert re.fullmatch(r"  sealed      4 records, root [0-9a-f]{64}", lines[3])
    assert lines[4:7] == [
        "  not sealed  0 records",
        "  anchored    4 records; 1 checkpoint in the database",
        "  writers     1",
    ]
    assert re.fullmatch(r" {14}[0-9a-f]{32}  PASS  4 records", lines[7])
    assert len(lines) == 8


def test_a_key_may_be_given_as_text(sealed_file: str, key: str, anchor: str) -> None:
    """As it stands in the file, so that it can come from a web page; a file may have any name."""
    text = str(SigningKey.load(key).verifier)
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", text]) == 0
    file = Path(anchor).with_name("ours+theirs.pub")
    file.write_text(text)
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", str(file)]) == 0


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE audit_records SET outcome = 'denied' WHERE seq = 1", "column"),
        ("UPDATE audit_records SET core = replace(core, 'denied', 'success')", "core"),
        ("UPDATE audit_records SET detail = '{}', detail_salt = '00' WHERE seq = 2", "part"),
        ("UPDATE audit_records SET actor = NULL, actor_salt = NULL, actor_id = NULL, actor_type = NULL", "erasure"),
        ("DELETE FROM audit_records WHERE seq = 2", "removed"),
        ("DELETE FROM audit_leaves WHERE idx = 3", "anchor"),
        ("DELETE FROM audit_checkpoints", "checkpoint"),
    ],
)
def test_what_was_changed_is_found(
    statement: str, kind: str, sealed_file: str, key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit code of its own; each finding says where and what, and stands in --json, too."""
    change(sealed_file, statement)
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", f"{key}.pub"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"TAMPERED  sqlite:///{sealed_file}: it is not what it was\n\n  ")
    assert re.search(f"^  {kind}  ", out, re.MULTILINE)
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", f"{key}.pub", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "TAMPERED"
    assert kind in {finding["kind"] for finding in report["findings"]}
    assert kind in report["finding_counts"]


def test_without_an_anchor_nothing_vouches_for_it(
    sealed_file: str, store: Store, seal: Seal, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same is said of an anchor that has heard of nothing, or not of all that was signed."""
    assert main(["verify", sealed_file]) == 2
    out = capsys.readouterr().out
    assert out.startswith("UNANCHORED  ")
    assert "  anchored    nothing; 1 checkpoint in the database\n" in out
    assert out.endswith("  note        signatures were not checked: no public key was given\n")
    known = Path(anchor).read_bytes()
    Path(anchor).write_bytes(b"")
    assert main(["verify", sealed_file, "--anchor", anchor]) == 2
    store(f"sqlite:///{sealed_file}", [a_record()])
    Path(anchor).write_bytes(known)
    seal(f"sqlite:///{sealed_file}")
    Path(anchor).write_bytes(known)
    assert main(["verify", sealed_file, "--anchor", anchor]) == 2


def test_a_trail_that_was_never_sealed_is_unanchored(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts what waits."""
    assert main(["verify", trail]) == 2
    out = capsys.readouterr().out
    assert "  log         none yet\n  sealed      0 records, root " in out
    assert "  not sealed  5 records\n  anchored    nothing; 0 checkpoints in the database\n" in out


def test_a_loss_that_was_declared_is_told_from_one_that_was_not(
    url: str, store: Store, story: Sequence[Record], seal: Seal, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log is sound, and something is missing."""
    store(url, story)
    seal(url)
    assert main(["verify", url, "--anchor", anchor]) == 3
    out = capsys.readouterr().out
    assert out.startswith("DECLARED LOSS  ")
    assert "  lost        3 records, as declared\n" in out


def test_the_whole_report_is_one_json_object(
    sealed_file: str, key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On one line, for programs."""
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", f"{key}.pub", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    report = json.loads(out)
    expected = {"verdict": "PASS", "log": NAME, "sealed": 4, "unsealed": 0, "anchored": 4, "writers": 1, "findings": []}
    assert {name: report[name] for name in expected} == expected


def test_macs_are_looked_at_if_their_secret_is_given(
    tmp_path: Path, sealed_file: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every record must have one, but for those sealed before it began."""
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 2)
    arguments = ["verify", sealed_file, "--anchor", anchor, "--mac", str(secret)]
    assert main(arguments) == 1
    assert capsys.readouterr().out.count("\n  mac  index ") == 4
    assert main([*arguments, "--mac-from", "4"]) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "which database? give a URL"),
        (["none.db"], "url='sqlite:///none.db': there is no such file"),
        (["empty.db"], "the database has no audit tables"),
        (["text.db"], "sqlite:///text.db"),
        (["postgresql://me:hunter2@127.0.0.1:9/x"], "postgresql://127.0.0.1:9/x: "),
        (["audit.db", "--offline", "bundle"], "give a database or --offline, not both"),
        (["--offline", "none"], "bundle='none': it can't be read: No such file or directory"),
        (["--offline", "text.db"], ""),
        (["audit.db", "--anchor", "none"], "anchor='"),
        (["audit.db", "--anchor", "logger:x"], "logger:x can't be read; give the file that its lines go to"),
        (["audit.db", "--anchor", "http://127.0.0.1:9/x"], "the anchor can't be read: webhook:http://127.0.0.1:9/x: "),
        (["audit.db", "--key", "none"], "path='none': there is no such file: give the FILE.pub"),
        (["audit.db", "--key", "audit.key"], "path='audit.key': this is the private half"),
        (["audit.db", "--key", "text.db"], "path='text.db': this is no public key as `asgi-audit keygen"),
        (["audit.db", "--key", "PRIVATE+KEY+x"], "key='<not shown>': this is the private half"),
        (["audit.db", "--key", "x" * 300 + "+0123"], "key='<not shown>': this is no public key"),
        (["audit.db", "--mac", "none"], "mac='none': it can't be read: No such file or directory"),
        (["audit.db", "--mac-from", "3"], "--mac-from goes with --mac"),
        (["audit.db", "--mac-from", "-3"], "argument --mac-from: '-3' is no index, which is a number from 0 up"),
        (["audit.db", "--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_what_keeps_it_from_a_verdict_is_none(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    sealed_file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever it is, it is said in one line, with an exit code that no verdict has."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("this is no database, however long it may become " * 100)
    assert main(["verify", *arguments]) == 4
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1
    assert "hunter2" not in error


def test_a_key_that_nobody_has_signed_with_is_no_misunderstanding(
    tmp_path: Path, sealed_file: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who names a key wants to see it."""
    SigningKey.generate(NAME).save(tmp_path / "other.key")
    other = str(VerifierKey.load(tmp_path / "other.key.pub"))
    assert main(["verify", sealed_file, "--anchor", anchor, "--key", other]) == 1
    assert "  signature  the newest checkpoint is signed by none of the given keys\n" in capsys.readouterr().out


class Full(io.StringIO):
    """Standard output on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_verdict_that_cannot_be_said_is_none(
    sealed_file: str, anchor: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own exit code for whatever nobody expected would be 1, the worst of verdicts."""
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["verify", sealed_file, "--anchor", anchor]) == 4
    assert capsys.readouterr().err.endswith("OSError: [Errno 28] No space left on device\n")


def test_a_file_may_be_older_than_the_anchors(
    sealed_file: str, key: str, anchor: str, store: Store, seal: Seal, capsys: pytest.CaptureFixture[str]
) -> None:
    """What anchors know beyond its end is a finding, until its reader says that it is older; then it is a note."""
    bundle = str(Path(anchor).with_name("log.jsonl"))
    main(["export", sealed_file, "--out", bundle])
    store(f"sqlite:///{sealed_file}", [a_record()])
    seal(f"sqlite:///{sealed_file}")
    command = ["verify", "--offline", bundle, "--anchor", anchor, "--public-key", f"{key}.pub"]
    capsys.readouterr()
    assert main(command) == 1
    out, error = capsys.readouterr()
    assert "has a checkpoint of 5 records, and there are only 4" in out
    assert error == "If the file is only older than the anchors: --older\n"
    assert main([*command, "--older"]) == 0
    out, error = capsys.readouterr()
    assert "the anchors know 5 records, this ends with 4: it is older than they, or its end was cut off" in out
    assert error == ""
    assert main(["verify", sealed_file, "--older", "--anchor", anchor]) == 4
    assert capsys.readouterr().err == "asgi-audit: --older is for a file: give --offline\n"
