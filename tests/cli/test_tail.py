import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record
from tests.cli.conftest import Store
from tests.cli.sample import a_record

COMMAND = [sys.executable, "-m", "asgi_audit"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_newest_record_comes_last(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As in a file of log lines; without -f that is all."""
    assert main(["tail", trail, "-n", "2", "--json"]) == 0
    lines = [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["invoice.remind", "trail.loss"]
    assert main(["tail", trail, "--outcome", "denied"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_new_records_appear_as_they_are_stored(url: str, store: Store, story: Sequence[Record]) -> None:
    """Each once, filters apply, and Ctrl-C ends it without a word."""
    store(url, story)
    with subprocess.Popen(
        [*COMMAND, "tail", url, "-f", "--json", "--actor", "grace"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == story[2].id
        later = [a_record(), a_record(actor=None), a_record()]
        store(url, later)
        assert json.loads(process.stdout.readline())["id"] == later[0].id
        assert json.loads(process.stdout.readline())["id"] == later[2].id
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
    assert process.returncode == 130


def test_a_trail_may_still_be_empty(url: str, store: Store) -> None:
    """Then the titles wait for the first record."""
    store(url, [])
    with subprocess.Popen([*COMMAND, "tail", "-f", url], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("time")
        store(url, [a_record()])
        assert "DELETE /invoices/{id}" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130


def test_a_reader_that_goes_away_ends_it_without_a_word(trail: str) -> None:
    """`asgi-audit log | head` is no error."""
    with subprocess.Popen(
        [*COMMAND, "log", trail], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_time_that_is_over_leaves_nothing_to_follow(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was made before it is shown, here nothing, and then it ends."""
    assert main(["tail", "-f", trail, "--until", "yesterday"]) == 0
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("No records match; the newest of all is of ")


def test_ctrl_c_ends_it_at_once(
    trail: str, store: Store, story: Sequence[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here as soon as a new record has been printed, which was stored after the last ones had been."""
    later = a_record()

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if story[4].id in text:
                threading.Thread(target=store, args=(f"sqlite:///{trail}", [later])).start()
            if later.id in text:
                signal.raise_signal(signal.SIGINT)
            return super().write(text)

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["tail", "-f", trail]) == 130
    assert [line.split()[-1] for line in screen.getvalue().splitlines()[1:]] == [
        *(record.id for record in story[1:]),
        later.id,
    ]
