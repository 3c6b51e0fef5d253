"""A verifier that shares no line with the package comes to the same verdicts: `examples/verify_bundle.py`."""

import ast
import copy
import json
import sys
from pathlib import Path
from random import Random

import pytest

from asgi_audit.errors import AuditError
from asgi_audit.integrity.note import sign
from asgi_audit.record import Kind
from asgi_audit.signing import SigningKey
from asgi_audit.verification import Bundle, Verifier
from tests.sealed.independent import EXAMPLE, Exported, example, make_exported, pinned
from tests.sealed.log import BEGINNING, Log, Writer, build
from tests.sealed.spoiling import DAMAGES, cut_off, remove_a_row, swap_lines, swap_rows, unseal_a_row

_SPOILT = 120  # logs


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A small log with everything in it."""
    return make_exported(tmp_path_factory.mktemp("exported"))


@pytest.mark.parametrize("mac", [None, bytes(range(32))])
@pytest.mark.parametrize("count", [80, 200])
@pytest.mark.asyncio
async def test_they_agree_about_honest_logs(tmp_path: Path, count: int, mac: bytes | None) -> None:
    """With losses, erasures and a purge; whoever lacks the anchors knows less, and whoever lacks the keys as well."""
    log = Log(f"sqlite:///{tmp_path}/audit.db", tmp_path, mac=mac)
    await build(log, Random(count), count)
    known = await Exported.of(log, tmp_path)
    assert await known.assert_agreed() == "DECLARED LOSS"
    assert await known._replace(anchors=[]).assert_agreed() == "UNANCHORED"
    assert await known._replace(anchors=known.anchors[:2]).assert_agreed() == "UNANCHORED"
    assert await known._replace(keys=[]).assert_agreed() == "DECLARED LOSS"
    assert await known._replace(keys=[SigningKey.generate("another").verifier]).assert_agreed() == "TAMPERED"
    other = SigningKey.generate("audit.example/other")
    foreign = [{"checkpoint": sign(f"{other.name}\n7\n{'A' * 43}=\n", [other])}]
    for keys in (known.keys, []):
        assert await known._replace(anchors=foreign + known.anchors, keys=keys).assert_agreed() == "DECLARED LOSS"


@pytest.mark.asyncio
async def test_they_agree_about_a_log_without_a_loss(tmp_path: Path) -> None:
    """Before anything is sealed, after it, and after the key was changed, whichever of the keys is given."""
    log, writer = Log(f"sqlite:///{tmp_path}/audit.db", tmp_path), Writer(Random(2))
    await log.write([writer.record(BEGINNING) for _ in range(5)])
    log.anchor.touch()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "UNANCHORED"
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "PASS"
    old = log.keys[0]
    for keys in ([old, SigningKey.generate(old.name)], [SigningKey.generate(old.name)]):
        log.keys = keys
        await log.write([writer.record(BEGINNING)])
        await log.seal()
    log.pinned = [old.verifier, log.keys[0].verifier]
    rotated = await Exported.of(log, tmp_path)
    for given in (log.pinned, log.pinned[:1], log.pinned[1:], []):
        await rotated._replace(keys=given).assert_agreed(str(given))


@pytest.mark.asyncio
async def test_they_agree_about_numbers_that_are_missing(tmp_path: Path) -> None:
    """What nobody has declared counts, before a record or an end; of whom there is no record, nobody asks."""
    log = Log(f"sqlite:///{tmp_path}/audit.db", tmp_path)
    living, dead, unknown, heir = (Writer(Random(seed)) for seed in range(4, 8))
    await log.write([living.record(BEGINNING), dead.record(BEGINNING)])
    for gone, records in ((dead, 1), (unknown, 7)):
        await log.write([heir.own(Kind.CLOSE, BEGINNING, {"records": records, "writer": gone.id})])
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "PASS"
    await log.write([heir.own(Kind.CLOSE, BEGINNING, {"records": 3, "writer": dead.id})])
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "TAMPERED"
    said = {"entries": 2, "records": 2, "reason": "damaged in the journal", "writer": dead.id}
    await log.write([heir.own(Kind.LOSS, BEGINNING, said)])
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "DECLARED LOSS"
    living.skip(1)
    await log.write([living.record(BEGINNING)])
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "DECLARED LOSS"  # it may still come
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "TAMPERED"
    said = {"records": 1, "reason": "the sink was too far behind", "sink": "postgresql://another/log"}
    await log.write([living.own(Kind.LOSS, BEGINNING, said)])
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "TAMPERED"
    await log.write([living.own(Kind.LOSS, BEGINNING, {**said, "sink": "sqlite:///this.db"})])
    await log.seal()
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "DECLARED LOSS"


@pytest.mark.asyncio
async def test_they_agree_about_a_log_that_began_anew(tmp_path: Path) -> None:
    """After a backup was restored; and that nobody can say so who has not the key."""
    log, writer = Log(f"sqlite:///{tmp_path}/audit.db", tmp_path), Writer(Random(3))
    await log.write([writer.record(BEGINNING) for _ in range(5)])
    await log.seal()
    backup = (tmp_path / "audit.db").read_bytes()
    await log.write([writer.record(BEGINNING) for _ in range(4)])
    await log.seal()
    for each in tmp_path.glob("audit.db*"):
        each.unlink()
    (tmp_path / "audit.db").write_bytes(backup)
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "TAMPERED"
    origin = log.keys[0].name
    said = {"records": 4, "restart": {"from": [origin], "to": origin, "size": 0}}
    await log.write([Writer(Random(4)).own(Kind.LOSS, BEGINNING, said)])
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "TAMPERED"
    (tmp_path / "audit.db").write_bytes(backup)
    for each in tmp_path.glob("audit.db-*"):
        each.unlink()
    await log.sealer().restart("a backup was restored")
    assert await (await Exported.of(log, tmp_path)).assert_agreed() == "DECLARED LOSS"


@pytest.mark.parametrize("seed", range(_SPOILT))
@pytest.mark.asyncio
async def test_they_agree_about_damaged_logs(exported: Exported, seed: int) -> None:
    """Whatever is changed, dropped, swapped or doubled: one verdict, about the same places, records and writers."""
    chance = Random(seed)
    lines, anchors = copy.deepcopy(exported.lines), copy.deepcopy(exported.anchors)
    damage = DAMAGES[seed % len(DAMAGES)]
    damage(lines, anchors, chance)
    if damage is not cut_off:
        lines[-1] = {"end": len(lines) - 1}
    verdict = await exported._replace(lines=lines, anchors=anchors).assert_agreed(damage.__name__)
    if damage in {swap_lines, remove_a_row, unseal_a_row, cut_off, swap_rows}:
        assert verdict == "TAMPERED"


@pytest.mark.parametrize("at", [0, 1, 20, -1])
@pytest.mark.asyncio
async def test_neither_lets_a_torn_line_pass(exported: Exported, at: int) -> None:
    """The package calls it TAMPERED, the example refuses it; either is no verdict that anybody could live with."""
    lines = [json.dumps(line) for line in exported.lines]
    lines[at] = lines[at][:-2]
    path = exported.home / "torn.jsonl"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"."):
        example.verify(path.read_text(encoding="utf-8"), exported.anchors, pinned(exported.keys))
    try:
        report = await Verifier(keys=exported.keys).verify(Bundle(path))
    except AuditError:
        return
    assert report.verdict == "TAMPERED"


def test_it_is_short_and_needs_nothing() -> None:
    """Less than 200 lines; of Python's library alone."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    modules = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
