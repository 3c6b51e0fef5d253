import json
import re
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.signing import SigningKey
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import Seal, old
from tests.cli.integrity.test_verify import change
from tests.cli.sample import a_record

FOR_CERTAIN = ["--reason", "two weeks", "--yes"]


@pytest.fixture
def aged(tmp_path: Path, store: Store, seal: Seal) -> str:
    """The path of a trail of twenty old records, sealed and anchored, and two new ones."""
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    store(url, [*old(20), a_record(), a_record()])
    seal(url)
    return str(tmp_path / "audit.db")


def test_first_it_only_says_what_it_would_do(aged: str, anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing goes without --yes, and no reason is needed; a time in another zone is said in UTC."""
    assert main(["purge", aged, "--before", "2030-01-01T01:30+02:00", "--anchor", anchor]) == 0
    out, error = capsys.readouterr()
    assert out == (
        f"Would purge 22 records made before 2029-12-31 23:30:00 UTC from sqlite:///{aged}; --yes does it.\n"
    )
    assert error == ""
    assert main(["log", aged, "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 22


def test_what_is_purged_is_gone_and_the_log_still_verifies(
    url: str, store: Store, key: str, anchor: str, seal: Seal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newer records stay, and a record says what went and why."""
    store(url, [*old(20), a_record(), a_record()])
    seal(url)
    arguments = ["purge", url, "--before", "14d", "--anchor", anchor, "--key", f"{key}.pub"]
    assert main([*arguments, *FOR_CERTAIN]) == 0
    out, error = capsys.readouterr()
    assert re.fullmatch(r"Purged 20 records made before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; their leaves stay.\n", out)
    assert error == ""
    assert main(["log", url, "--own", "--json"]) == 0
    kept = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["kind"] for each in kept] == ["purge", "http", "http"]
    assert kept[0]["reason"] == "two weeks"
    assert kept[0]["data"]["records"] == 20
    assert main(["verify", url, "--anchor", anchor, "--key", f"{key}.pub"]) == 0
    assert "  purged      20 records\n" in capsys.readouterr().out
    seal(url)
    assert main([*arguments, *FOR_CERTAIN]) == 0
    assert capsys.readouterr().out.startswith("Purged 0 records ")
    assert main(["verify", url, "--anchor", anchor, "--key", f"{key}.pub"]) == 0


def test_what_is_not_sealed_or_not_anchored_stays(
    aged: str, store: Store, key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is counted."""
    store(f"sqlite:///{aged}", old(3))
    assert main(["seal", aged, "--key", key]) == 0
    store(f"sqlite:///{aged}", old(1))
    capsys.readouterr()
    assert main(["purge", aged, "--before", "14d", "--anchor", anchor]) == 0
    out, error = capsys.readouterr()
    assert out.startswith("Would purge 20 records ")
    stays = "1 older record stays: not sealed yet.\n3 older records stay: not anchored yet.\n"
    assert error == stays
    assert main(["purge", aged, "--before", "14d", "--anchor", anchor, *FOR_CERTAIN]) == 0
    out, error = capsys.readouterr()
    assert out.startswith("Purged 20 records ")
    assert error == stays


def test_only_an_anchor_of_this_tree_vouches_for_it(
    aged: str, tmp_path: Path, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not an empty one, nor one whose checkpoints are signed by somebody else."""
    said = "asgi-audit: the newest checkpoint of no anchor is one of this database's tree"
    assert main(["purge", aged, "--before", "14d", "--anchor", str(tmp_path / "empty"), *FOR_CERTAIN]) == 3
    assert capsys.readouterr() == ("", f"{said}: `asgi-audit verify` tells more\n")
    SigningKey.generate("other.example").save(tmp_path / "other")
    pinned = ["--key", str(tmp_path / "other.pub")]
    assert main(["purge", aged, "--before", "14d", "--anchor", anchor, *pinned, *FOR_CERTAIN]) == 3
    assert capsys.readouterr() == ("", f"{said}, signed by a given key: `asgi-audit verify` tells more\n")


def test_a_tampered_record_stops_it(aged: str, anchor: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would destroy the evidence."""
    change(aged, "UPDATE audit_records SET actor_id = 'mallory' WHERE seq = 5")
    assert main(["purge", aged, "--before", "14d", "--anchor", anchor, *FOR_CERTAIN]) == 3
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("asgi-audit: stopped at record ")
    assert main(["log", aged, "--own", "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 22


def test_with_a_secret_every_record_must_have_its_mac(
    aged: str, tmp_path: Path, anchor: str, seal: Seal, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for those sealed before it began; the record of the purge gets one."""
    (tmp_path / "secret").write_text("0123456789abcdef" * 2)
    secret = ["--mac", str(tmp_path / "secret")]
    arguments = ["purge", aged, "--before", "14d", "--anchor", anchor, *secret, *FOR_CERTAIN]
    assert main(arguments) == 3
    assert "the record has no MAC of the secret's" in capsys.readouterr().err
    assert main([*arguments, "--mac-from", "22"]) == 0
    seal(f"sqlite:///{aged}")
    assert main(["verify", aged, "--anchor", anchor, *secret, "--mac-from", "22"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "the following arguments are required: --before"),
        (["--before", "14d"], 2, "which database? give a URL"),
        (["audit.db", "--before", "soon"], 2, "--before: 'soon' is no point in time"),
        (["audit.db", "--before", "14d"], 2, "give --anchor: only what an anchor vouches for is purged"),
        (["none.db", "--before", "14d", "--anchor", "a"], 2, "url='sqlite:///none.db': there is no such file"),
        (["empty.db", "--before", "14d", "--anchor", "a"], 3, "the database has no audit tables"),
        (["unsealed.db", "--before", "14d", "--anchor", "a"], 3, "nothing is sealed yet: `asgi-audit seal` does it"),
        (["audit.db", "--before", "14d", "--anchor", "logger:x"], 2, "logger:x can't be read"),
        (["audit.db", "--before", "14d", "--anchor", "http://127.0.0.1:9"], 3, "the anchor can't be read: webhook:"),
        (["audit.db", "--before", "14d", "--anchor", "a", "--yes"], 2, "say why, with --reason"),
        (["audit.db", "--before", "14d", "--anchor", "a", "--mac-from", "2"], 2, "--mac-from goes with --mac"),
        (["audit.db", "--before", "14d", "--anchor", "a", "--key", "none"], 2, "path='none': there is no such file"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str],
    code: int,
    reason: str,
    tmp_path: Path,
    aged: str,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each with its exit code."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    store(f"sqlite:///{tmp_path}/unsealed.db", old(1))
    assert main(["purge", *arguments]) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1
