from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record, decode
from tests.cli.conftest import Store
from tests.cli.sample import a_record


def test_a_record_is_shown_by_its_id(
    url: str, store: Store, story: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the whole of it, or by a beginning that no other record shares, in either case."""
    store(url, story)
    record = story[2]
    for given in (record.id, record.id[:18], record.id.upper()):
        assert main(["show", url, given]) == 0
        out = capsys.readouterr().out
        assert out.startswith("DELETE /invoices/{id}  denied 403\n")
        assert f"  id                  {record.id}\n" in out


def test_json_is_the_record_itself(trail: str, story: Sequence[Record], capsys: pytest.CaptureFixture[str]) -> None:
    """It reads as the record that was stored."""
    assert main(["show", trail, story[2].id, "--json"]) == 0
    record = decode(capsys.readouterr().out)
    assert (record.id, record.actor, record.source) == (story[2].id, story[2].actor, story[2].source)


def test_the_url_may_come_from_the_environment(
    trail: str, story: Sequence[Record], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then the id is the only argument."""
    monkeypatch.setenv("ASGI_AUDIT_URL", trail)
    assert main(["show", story[2].id]) == 0
    assert story[2].id in capsys.readouterr().out


def test_an_unknown_id_has_an_exit_code_of_its_own(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed but the reason."""
    for given in ("00000000-0000-7000-8000-000000000000", "ffffffff", "01000000-"):
        assert main(["show", trail, given]) == 1
        message = f"asgi-audit: no record's id begins with {given}; `asgi-audit log` lists ids\n"
        assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("given", ["0", "0123456", "invoice", "01a20924a4b57989a6e3", "'", "0" * 40])
def test_what_is_no_id_is_a_wrong_argument(trail: str, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The database is not asked."""
    assert main(["show", trail, given]) == 2
    assert "is no record id, nor 8 or more characters of one" in capsys.readouterr().err


def test_a_beginning_that_several_records_share_is_too_short(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ids are listed, to choose from."""
    ids = [f"01a20924-a4b5-7{n:03x}-8000-000000000000" for n in (1, 2)]
    store(f"sqlite:///{tmp_path / 'a.db'}", [msgspec.structs.replace(a_record(), id=one) for one in ids])
    assert main(["show", str(tmp_path / "a.db"), "01a20924-a4b5"]) == 2
    error = capsys.readouterr().err
    assert "several ids begin with 01a20924-a4b5, give more of one: " in error
    assert all(one in error for one in ids)
    assert main(["show", str(tmp_path / "a.db"), "01a20924-a4b5-7001"]) == 0
