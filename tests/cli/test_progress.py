import os
import pty
import sys
from collections.abc import Callable

import pytest

from asgi_audit.cli import progress
from asgi_audit.cli.progress import ProgressBar


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, work: Callable[[ProgressBar], None]) -> str:
    """What is written to it while the work goes on."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        work(ProgressBar("verifying"))
        monkeypatch.undo()
        stream.write("|")
        stream.flush()
        shown = b""
        while not shown.endswith(b"|"):
            shown += os.read(ours, 4096)
    os.close(ours)
    return shown.decode().removesuffix("|")


def test_a_terminal_sees_how_far_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, drawn over and over, and gone in the end."""
    monkeypatch.setattr(progress, "_EVERY", 0.0)

    def work(bar: ProgressBar) -> None:
        for done in (0, 500, 1000):
            bar(done, 1000)
        bar.close()

    assert on_a_terminal(monkeypatch, work) == (
        "\rverifying [                        ]   0% 0\x1b[K"
        "\rverifying [############            ]  50% 500\x1b[K"
        "\rverifying [########################] 100% 1,000\x1b[K"
        "\r\x1b[K"
    )


def test_it_is_drawn_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often there is something to tell."""
    monkeypatch.setattr(progress, "_EVERY", 3600.0)

    def work(bar: ProgressBar) -> None:
        for done in range(1000):
            bar(done, 1000)

    assert on_a_terminal(monkeypatch, work) == "\rverifying [                        ]   0% 0\x1b[K"


def test_nothing_of_nothing_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no row at all."""
    assert "] 100% 0\x1b[K" in on_a_terminal(monkeypatch, lambda bar: bar(0, 0))


def test_what_was_never_drawn_need_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that fails at once leaves the screen alone."""
    assert on_a_terminal(monkeypatch, ProgressBar.close) == ""


def test_a_file_or_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It would only have to be stripped."""
    bar = ProgressBar("verifying")
    bar(1, 2)
    bar.close()
    assert capsys.readouterr() == ("", "")
