"""A bundle against the verifier: a file that somebody has sent us."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_audit.errors import AuditError, ConfigurationError
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.held import Held
from tests.sealed.sent import Sent

MIB = 2**20


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """One for all tests."""
    return Sent(tmp_path_factory.mktemp("bundles"))


def test_an_honest_one(sent: Sent) -> None:
    """It comes to the same as the database."""
    report = sent.verify(sent.content)
    assert report == asyncio.run(sent.log.verify())
    assert report.verdict is Verdict.DECLARED_LOSS


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_one_that_is_cut_off(sent: Sent, share: float) -> None:
    """Also between two lines, and also if only the last one is missing."""
    for content in (
        sent.content[: int(len(sent.content) * share)],
        b"".join(sent.content.splitlines(keepends=True)[: int(len(sent.lines) * share)]),
    ):
        report = sent.apart(content) if not content else hear(sent, content)
        assert (
            isinstance(report, str) or "cut off" in report.findings[0].what or "not one of" in report.findings[0].what
        )


def hear(sent: Sent, content: bytes) -> Report | str:
    """A report of tampering, or what was raised."""
    try:
        report = sent.verify(content)
    except AuditError as error:
        return f"{type(error).__name__}: {error}"
    assert report.verdict is Verdict.TAMPERED
    return report


LINES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "without its end": lambda lines: lines[:-1],
    "with another end": lambda lines: [*lines[:-1], b'{"end":7}'],
    "with an end that is no number": lambda lines: [*lines[:-1], b'{"end":"' + str(len(lines) - 1).encode() + b'"}'],
    "with something behind its end": lambda lines: [*lines, b"{}"],
    "with an end in the middle": lambda lines: [*lines[:50], b'{"end":50}', *lines[50:]],
    "with a line too many": lambda lines: [*lines[:50], lines[49], *lines[50:]],
    "with a line twice": lambda lines: [*lines[:50], lines[49], *lines[50:-1], ends(lines, 1)],
    "without a line": lambda lines: [*lines[:50], *lines[51:-1], ends(lines, -1)],
    "in another order": lambda lines: [*lines[:50], lines[51], lines[50], *lines[52:]],
    "with an empty line": lambda lines: [*lines[:50], b"", *lines[50:]],
    "with a list": lambda lines: [*lines[:50], b"[]", *lines[51:]],
    "with a number that is none": lambda lines: [*lines[:50], b'{"idx":NaN}', *lines[51:]],
    "with lists in each other": lambda lines: [*lines[:50], b'{"x":' + b"[" * 10**5, *lines[51:]],
    "with lists in each other that end": lambda lines: [*lines[:50], b'{"x":' + b"[" * 10**5 + b"]" * 10**5 + b"}"],
    "of another encoding": lambda lines: [b"\xff\xfe" + line.decode().encode("utf-16-le") for line in lines],
    "without its head": lambda lines: lines[1:],
}


def ends(lines: list[bytes], more: int) -> bytes:
    """The end of so many lines more."""
    return json.dumps({"end": len(lines) - 1 + more}).encode()


@pytest.mark.parametrize("change", LINES.values(), ids=LINES)
def test_other_lines(sent: Sent, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Lines are missing, or too many, or none."""
    content = b"\n".join(change(sent.content.splitlines())) + b"\n"
    hear(sent, content)


HEADS: list[Any] = [
    7,
    None,
    {},
    {"format": 7},
    {"format": "asgi-audit/2 bundle"},
    {"name": 7},
    {"name": "x" * 2000},
    {"name": "\udc80"},
]


@pytest.mark.parametrize("head", HEADS)
def test_another_head(sent: Sent, head: Any) -> None:
    """It is no bundle of ours."""
    line = {**sent.lines[0], **head} if isinstance(head, dict) and head else head
    with pytest.raises(AuditError):
        sent.verify(sent.but(0, json.dumps(line).encode()))


def test_no_file(tmp_path: Path) -> None:
    """Or one that can't be read."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError):
            asyncio.run(Verifier().verify(Bundle(path)))


PLACES = [
    *(("checkpoint",), ("size",), ("signers",), ("peaks",), ("idx",), ("record_id",), ("hash",), ("row",)),
    *(
        ("row", name)
        for name in ("id", "time", "seq", "writer", "kind", "core", "detail", "actor", "actor_salt", "tenant")
    ),
]
STRANGE = [
    b"NaN",
    b"1e999",
    b"9" * 400,
    b"-1",
    b"true",
    b"[]",
    b'{"a":7}',
    rb'"\ud800"',
    rb'"\udcff"',
    rb'"\u0000"',
    b'""',
]


@pytest.mark.parametrize("keys", PLACES, ids="-".join)
def test_strange_values(sent: Sent, keys: tuple[str, ...]) -> None:
    """Wherever they stand, they are found, or the line is none."""
    for value in STRANGE:
        hear(sent, sent.with_value(keys, value))


SPOILT = [
    "UPDATE audit_records SET core = CAST(core AS BLOB)",
    "UPDATE audit_records SET core = CAST(x'22ff22' AS TEXT), seq = 9e999 WHERE rowid = 50",
    "UPDATE audit_records SET detail = hex(zeroblob(20000000)), status = 'x' WHERE rowid = 50",
    "UPDATE audit_leaves SET hash = hex(hash)",
    "UPDATE audit_leaves SET record_id = zeroblob(36)  WHERE idx = 50",
    "UPDATE audit_checkpoints SET note = CAST(note AS BLOB), size = 'x' WHERE rowid = 2",
    "UPDATE audit_checkpoints SET time = zeroblob(9), peaks = 'x', signers = 7.5 WHERE rowid = 2",
]


@pytest.mark.parametrize("statement", SPOILT)
def test_a_spoilt_database_is_carried_away_as_it_is(sent: Sent, tmp_path: Path, statement: str) -> None:
    """What it holds that a bundle can't, is said to be there."""
    path = tmp_path / "spoilt.db"
    with (
        closing(sqlite3.connect(sent.log.url.removeprefix("sqlite:///"))) as old,
        closing(sqlite3.connect(path)) as new,
    ):
        old.backup(new)
        new.execute(statement)
        new.commit()
    evidence = DatabaseEvidence(f"sqlite:///{path}")
    before = asyncio.run(sent.verifier.verify(evidence))

    async def export() -> None:
        with sent.file.open("wb") as file:
            async with evidence as opened:
                await write_bundle(opened, file)

    asyncio.run(export())
    after = asyncio.run(sent.verifier.verify(Bundle(sent.file)))
    assert before.verdict is after.verdict is Verdict.TAMPERED
    assert set(before.finding_counts) == set(after.finding_counts)


def test_bytes_that_are_no_text_are_carried_away(sent: Sent, tmp_path: Path) -> None:
    """As themselves, whatever stands beside them."""
    texts = [r"\udc80 \\udc80 \ud83d", "\N{PILE OF POO}", "\udcff\udc80", r"\\", "\udc80", "x"]
    rows = [{"core": "".join(texts[number:]), "id": texts[number]} for number in range(6)]
    with sent.file.open("wb") as file:
        asyncio.run(write_bundle(Held("x", list(rows)), file))

    async def read() -> list[Any]:
        async with Bundle(sent.file) as bundle:
            return [row async for row in bundle.unsealed()]

    assert [{name: row[name] for name in ("core", "id")} for row in asyncio.run(read())] == rows


#: Made when they are needed, so that they do not stay in the tests' memory.
LARGE: dict[str, tuple[tuple[str, ...], Callable[[], bytes]]] = {
    "a line of 100 MB": (("record_id",), lambda: b'"' + b"x" * 10**8 + b'"'),
    "a text of 20 MiB": (("row", "core"), lambda: b'"' + b"x" * 20 * MIB + b'"'),
    "a text of 20 MiB of four bytes a character": (
        ("row", "core"),
        lambda: b'"' + "\U0001f600".encode() * 5 * MIB + b'"',
    ),
    "a text of 24 MiB, escaped": (("row", "core"), lambda: b'"' + rb"\ud83d\ude00" * 2 * MIB + b'"'),
    "a name of 20 MiB": (("record_id",), lambda: b'"' + b"x" * 20 * MIB + b'"'),
    "a hash of 20 MiB": (("hash",), lambda: b'"' + b"f" * 20 * MIB + b'"'),
    "peaks of 20 MiB": (("peaks",), lambda: b'"' + b"f" * 20 * MIB + b'"'),
    "a note of 20 MiB": (("checkpoint",), lambda: b'"' + b"f" * 20 * MIB + b'"'),
    "many lists": (("row", "x"), lambda: b"[" + b"[]," * 8 * MIB + b"0]"),
    "many lists in a column": (("row", "core"), lambda: b"[" + b"[]," * 8 * MIB + b"0]"),
    "many members": (
        ("row", "x"),
        lambda: b"{" + b"".join(b'"%07d":0,' % number for number in range(10**6)) + b'"x":0}',
    ),
    "many texts": (("hash",), lambda: b"[" + b'"ab",' * 5 * MIB + b"0]"),
}


@pytest.mark.parametrize(("keys", "value"), LARGE.values(), ids=LARGE)
def test_large_values(sent: Sent, keys: tuple[str, ...], value: Callable[[], bytes]) -> None:
    """No more of them is kept than what could be ours."""
    answer = sent.apart(sent.with_value(keys, value()))
    if keys != ("row", "x"):  # what has no name is not looked at
        assert isinstance(answer, str) or answer.verdict is Verdict.TAMPERED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_anything(sent: Sent, data: st.DataObject) -> None:
    """Whatever JSON stands wherever in the lines of a bundle, there is a report, or an error of ours."""
    lines = list(sent.lines)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        line = dict(lines[number])
        name = data.draw(st.sampled_from([*line, "row", "end", "checkpoint"]))
        if name == "row" and isinstance(line.get("row"), dict):
            column = data.draw(st.sampled_from([*line["row"], "too_large"]))
            line["row"] = line["row"] | {column: data.draw(JSON)}
        else:
            line[name] = data.draw(JSON)
        lines[number] = line
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    sent.file.write_text(text)
    try:
        report = asyncio.run(sent.verifier.verify(Bundle(sent.file)))
    except AuditError:
        return
    msgspec.json.encode(report)


@given(data=st.data())
def test_any_bytes(sent: Sent, data: st.DataObject) -> None:
    """The same if some of its bytes are others."""
    content = bytearray(sent.content)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    sent.file.write_bytes(content)
    try:
        report = asyncio.run(sent.verifier.verify(Bundle(sent.file)))
    except AuditError:
        return
    msgspec.json.encode(report)
