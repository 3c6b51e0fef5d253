import io
import os
import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import asgi_audit
from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.errors import ConfigurationError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "cli.md"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a package is not installed."""
    script = f"import sys; sys.modules[{package!r}] = None; from asgi_audit.cli import main; sys.exit(main())"
    return run(sys.executable, "-c", script, *arguments)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment's."""
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["", "log", "show", "tail", "upgrade", "explain", "demo"])
def test_help_needs_no_extra(verb: str) -> None:
    """Nothing is imported for it that may be missing."""
    ended = without("sqlalchemy", *([verb] if verb else []), "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: asgi-audit {verb}".rstrip())


def test_version_names_the_release() -> None:
    """`--version` prints the installed release and nothing else."""
    ended = run(sys.executable, "-m", "asgi_audit", "--version")
    assert (ended.returncode, ended.stdout) == (0, f"asgi-audit {metadata.version('asgi-audit')}\n")


def test_version_is_read_from_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    """Within a process too."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert metadata.version("asgi-audit") in capsys.readouterr().out


def test_the_exit_codes_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """In the help and in the documentation, each with its meaning."""
    with pytest.raises(SystemExit):
        main(["--help"])
    told = {int(code) for code in re.findall(r"^  (\d+) ", capsys.readouterr().out, re.MULTILINE)}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENTATION.read_text(), re.MULTILINE)}
    assert told == documented == set(Exit)


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [("sqlalchemy", ["log", "audit.db"], "sqlite"), ("uvicorn", ["demo"], "demo")],
)
def test_a_missing_package_is_answered_with_the_line_that_installs_it(
    package: str,
    arguments: list[str],
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And with an exit code of its own."""
    for name in [*sys.modules]:
        if name.startswith(("asgi_audit.cli.", "asgi_audit.demo", "asgi_audit.sqlalchemy")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(arguments) == Exit.DEPENDENCY
    error = capsys.readouterr().err
    assert error.startswith("asgi-audit: ")
    assert error.endswith(f"pip install 'asgi-audit[{extra}]'\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the following arguments are required: VERB (see asgi-audit --help)"),
        (["frobnicate"], "argument VERB: invalid choice: 'frobnicate'"),
        (["log", "a.db", "--limit", "0"], "argument --limit: '0' is no number from 1 up (see asgi-audit log --help)"),
        (["log", "a.db", "--limit", "5", "--all"], "argument --all: not allowed with argument --limit"),
        (["log", "a.db", "--json", "--csv"], "argument --csv: not allowed with argument --json"),
        (["log", "a.db", "--act", "x"], "unrecognized arguments: --act x"),
        (["show", "a.db"], "which database? give a URL such as sqlite:///audit.db, or set ASGI_AUDIT_URL"),
        (["explain", "GET"], "the following arguments are required: PATH"),
    ],
)
def test_a_wrong_argument_is_answered_in_one_line(
    arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what is wrong and where to read on; nothing is printed besides."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    assert main(arguments) == Exit.USAGE
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1


def test_a_traceback_is_shown_to_whoever_asks_for_it(tmp_path: Path) -> None:
    """The last line of it is the error, and the exit code that of an uncaught one."""
    with pytest.raises(ConfigurationError, match="there is no such file"):
        main(["--traceback", "log", str(tmp_path / "none.db")])
    ended = run(sys.executable, "-m", "asgi_audit", "--traceback", "log", str(tmp_path / "none.db"))
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback ")
    assert "there is no such file" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("verb", ["verify", "check"])
def test_a_traceback_is_not_taken_for_a_verdict(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a traceback, too, the exit code is one that no verdict has."""
    monkeypatch.chdir(tmp_path)
    assert main(["--traceback", verb, "none", "--public-key", "none"]) == Exit.NOT_RUN
    assert capsys.readouterr().err.startswith("Traceback ")


def test_the_command_and_the_module_are_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m asgi_audit` runs what the script `asgi-audit` runs, and ends with its exit code."""
    monkeypatch.setattr(sys, "argv", ["asgi_audit", "explain", "GET", "/"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(asgi_audit.__file__).parent / "__main__.py"), run_name="asgi_audit.__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.endswith("GET /: NONE, no rule matches\n")


def test_a_reader_that_goes_away_ends_it_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the command nor the interpreter at its end complains."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["explain", "GET", "/"]) == Exit.BROKEN_PIPE
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_what_the_output_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record may hold any character; a terminal's encoding need not. A stream of another kind is left alone."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["explain", "GET", "/é"]) == 0
    assert b"GET /\\xe9: NONE" in raw.getvalue()
