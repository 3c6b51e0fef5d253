import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.integrity.passes import Passes
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.errors import AuditError
from asgi_audit.record import Record
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import NAME
from tests.cli.sample import a_record
from tests.lives.processes import ENVIRONMENT

COMMAND = [sys.executable, "-m", "asgi_audit", "seal"]
NOTE = f"{NAME}\n9\nAAAA\n\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_seals_what_comes_until_a_signal_ends_it(
    number: int, url: str, store: Store, story: Sequence[Record], key: str, anchor: str
) -> None:
    """It says what it does as it does it, and at the end how much it was."""
    store(url, story)
    command = [*COMMAND, url, "--every", "1s", "--key", key, "--anchor", anchor]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert re.fullmatch(
            r"Sealing (sqlite|postgresql)://\S+ every 1 s; Ctrl-C ends it.\n", process.stdout.readline()
        )
        assert process.stdout.readline() == f"Sealed 5 records; the tree has 5, signed by {NAME}.\n"
        store(url, [a_record(), a_record()])
        assert process.stdout.readline() == f"Sealed 2 records; the tree has 7, signed by {NAME}.\n"
        process.send_signal(number)
        assert process.stdout.read() == "Ended; 7 records sealed.\n"
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert main(["verify", url, "--anchor", anchor, "--key", f"{key}.pub"]) == 3  # the story has a loss


def test_it_waits_for_a_trail_that_is_not_there_yet(
    tmp_path: Path, store: Store, story: Sequence[Record], key: str
) -> None:
    """What keeps it from sealing is said once, not with every pass."""
    path = tmp_path / "later.db"
    with subprocess.Popen(
        [*COMMAND, str(path), "--every", "1s", "--key", key],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("No --anchor: ")
        assert "there is no such file" in process.stderr.readline()
        store(f"sqlite:///{path}", story)
        assert process.stdout.readline().startswith("Sealing ")
        assert process.stdout.readline().startswith("Sealed 5 records; ")
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "Ended; 5 records sealed.\n"
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_two_at_once_seal_everything_once(url: str, store: Store, key: str, anchor: str) -> None:
    """One wins and the other gives way, as chance will have it; neither fails, and the log is sound."""
    store(url, [])
    ours, theirs = os.pipe()
    command = [*COMMAND, url, "--every", "1s", "--key", key, "--anchor", anchor]
    both = [
        subprocess.Popen(command, env=ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    os.close(theirs)
    said = ""

    def read_until(wanted: int, pattern: str) -> None:
        """Their lines may run into each other, the words do not."""
        nonlocal said
        while sum(map(int, re.findall(pattern, said))) < wanted:
            piece = os.read(ours, 4096)
            assert piece
            said += piece.decode()

    read_until(2, "every ([0-9]) s")
    for _ in range(5):
        store(url, [a_record() for _ in range(30)])
    read_until(150, r"Sealed (\d+) record")
    for process in both:
        process.send_signal(signal.SIGTERM)
    with os.fdopen(ours) as output:
        said += output.read()
    assert sum(map(int, re.findall(r"Sealed (\d+) record", said))) == 150
    assert sum(map(int, re.findall(r"Ended; (\d+) record", said))) == 150
    for process in both:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert main(["verify", url, "--anchor", anchor, "--key", f"{key}.pub"]) == 0


@pytest.mark.parametrize("anchored", [True, False])
def test_it_says_what_it_is_about_to_do(
    anchored: bool,
    trail: str,
    key: str,
    anchor: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And ends as soon as it is told to, here by the first thing that it has done."""

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith("Sealed "):
                signal.raise_signal(signal.SIGTERM)
            return super().write(text)

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["seal", trail, "--every", "1h", "--key", key, *(["--anchor", anchor] if anchored else [])]) == 0
    assert screen.getvalue().splitlines() == [
        f"Sealing sqlite:///{trail} every 3600 s; Ctrl-C ends it.",
        f"Sealed 5 records; the tree has 5, signed by {NAME}.",
        "Ended; 5 records sealed.",
    ]
    assert capsys.readouterr().err.startswith("No --anchor: ") is not anchored


class Script:
    """A sealer that does what was written down for it, pass after pass, and is signalled in the last one."""

    def __init__(self, *passes: Sealed | Exception) -> None:
        self._passes = list(passes)

    async def seal(self) -> Sealed:
        now = self._passes.pop(0)
        if not self._passes:
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                while signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # the next one would end the process
                    await asyncio.sleep(0)
        if isinstance(now, Exception):
            raise now
        return now


def done(*troubles: str, records: int = 0, gave_way: bool = False) -> Sealed:
    """A pass."""
    return Sealed(records, 9, NOTE, gave_way, list(troubles))


def played(*passes: Sealed | Exception) -> int:
    """Run these passes, without a pause; the exit code."""
    return asyncio.run(Passes("sqlite:///audit.db", Script(*passes).seal).run(0.0))


SEALED = "Sealed {} records; the tree has 9, not signed (--key).\n"
ENDED = "Ended; {} records sealed.\n"


def test_a_trouble_is_said_when_it_begins_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A trouble of another kind is a new one; in between, what is sealed is sealed."""
    failing = AuditError("no such table")
    passes: list[Sealed | Exception] = [failing, failing]
    passes += [done("the anchor failed", records=3), done("the anchor failed"), done(), done()]
    assert played(*passes) == 0
    out, error = capsys.readouterr()
    assert out == SEALED.format(3) + SEALED.format(0) + ENDED.format(3)
    assert error == "asgi-audit: no such table\nasgi-audit: the anchor failed\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AuditError("refused"), "refused"),
        (ConnectionRefusedError("nobody there"), "sqlite:///audit.db: nobody there"),
        (RuntimeError("a fault\nand more"), "RuntimeError: a fault"),
    ],
)
def test_whatever_is_raised_the_next_pass_tries_again(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only if it was the last one does the exit code say so."""
    assert played(error, done(records=2)) == 0
    assert capsys.readouterr() == (SEALED.format(2) + ENDED.format(2), f"asgi-audit: {said}\n")
    assert played(error) == Exit.DATABASE
    assert capsys.readouterr() == (ENDED.format(0), f"asgi-audit: {said}\n")


def test_an_anchor_that_has_not_come_back_shows_in_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """What was sealed last is not anchored."""
    assert played(done("the anchor failed", records=2), done("the anchor failed")) == Exit.DATABASE
    assert capsys.readouterr() == (SEALED.format(2) + ENDED.format(2), "asgi-audit: the anchor failed\n")


def test_giving_way_is_said_when_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no trouble."""
    passes = [done(records=2), done(gave_way=True), done(gave_way=True), done(), done()]
    assert played(*passes) == 0
    way = "Another sealer is at work on this database; this one has given way.\n"
    assert capsys.readouterr() == (SEALED.format(2) + way + SEALED.format(0) + ENDED.format(2), "")


def test_a_second_signal_does_not_wait_for_the_pass() -> None:
    """A database that never answers keeps nobody."""

    async def seal() -> Sealed:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        loop.call_later(0.01, loop.call_soon, signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(Passes("sqlite:///audit.db", seal).run(1.0))
