"""A verifier that shares no line with the package comes to the same verdicts: `examples/verify_bundle.py`."""

import ast
import asyncio
import copy
import importlib.util
import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import AuditError
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.note import sign
from asgi_audit.integrity.proof import Proof, ProofFailed
from asgi_audit.integrity.report import Report
from asgi_audit.record import Kind
from asgi_audit.signing import SigningKey, VerifierKey
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.sqlalchemy.proving import prove
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.log import BEGINNING, Log, Writer, build

EXAMPLE = Path(__file__).parents[2] / "examples" / "verify_bundle.py"
_HEX = "0123456789abcdef"
_OTHERS = 'abcXYZ019 "{}:,é'
_SPOILT = 120  # logs
_SPOILT_PROOFS = 100
_HOURS = timedelta(hours=2) // timedelta(microseconds=1)
#: What the database keeps beside a checkpoint for its sealer. It proves nothing, and the example passes it over.
_OF_THE_SEALER = frozenset({"peaks", "signers"})

# RFC 8032, section 7.1: tests 1, 2, 3 and "SHA(abc)": the public key, the message, the signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("verify_bundle", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = _load()

Lines = list[dict[str, Any]]


class Exported(NamedTuple):
    """A log in a file, and who knows what of it."""

    home: Path
    lines: Lines
    anchors: Lines
    keys: list[VerifierKey]

    @classmethod
    async def of(cls, log: Log, home: Path) -> "Exported":
        """What an auditor is given. What was sealed was so two hours ago, so that whatever is missing counts."""
        path = home / "exported.jsonl"
        with path.open("wb") as file:
            async with DatabaseEvidence(log.url) as evidence:
                await write_bundle(evidence, file)
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            if "checkpoint" in line:
                line["time"] -= _HOURS
        anchors = [json.loads(line) for line in log.anchor.read_text(encoding="utf-8").splitlines()]
        return cls(home, lines, anchors, list(log.pinned))

    async def verdicts(self) -> tuple[Report | None, str | None, list[Any]]:
        """What the package says, then what the example says; None from who refuses to say anything."""
        bundle, anchor = self.home / "log.jsonl", self.home / "anchor.jsonl"
        bundle.write_text(text := _text(self.lines), encoding="utf-8")
        anchor.write_text(_text(self.anchors), encoding="utf-8")
        try:
            report = await Verifier(keys=self.keys, anchors=[FileAnchor(anchor)]).verify(Bundle(bundle))
        except AuditError:
            report = None
        try:
            verdict, findings = example.verify(text, self.anchors, _pinned(self.keys))
        except Exception:  # noqa: BLE001 - as the example's own last lines have it
            return report, None, []
        return report, verdict, findings

    async def assert_agreed(self, what: str = "") -> str | None:
        """Both come to one verdict, and name the same records, places and writers; the verdict."""
        report, verdict, findings = await self.verdicts()
        assert (None if report is None else str(report.verdict)) == verdict, what
        # Of a bundle that is cut off, the package also says all that follows from it.
        if report is not None and "table" not in report.finding_counts:
            assert _named(report) == {(index, subject) for _, index, subject in findings}, what
        return verdict


def _text(lines: Lines) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _pinned(keys: list[VerifierKey]) -> dict[tuple[str, bytes], bytes]:
    return {(key.name, key.key_id): key.public for key in keys}


def _named(report: Report) -> set[tuple[int | None, str | None]]:
    """The places and the records, or the writers, of whom something is said."""
    found: set[tuple[int | None, str | None]] = set()
    wrong = {each.record for each in report.findings if each.kind != "purge"}
    for each in report.findings:
        stretch = re.match(r"the records from index (\d+) to (\d+) were removed", each.what)
        if stretch is not None:
            found |= {(index, None) for index in range(int(stretch[1]), int(stretch[2]) + 1)}
        elif each.kind == "sequence":
            found.add((each.index, each.writer))
        elif each.kind != "purge" or each.record not in wrong:  # the example reads no ranges out of an unsound record
            found.add((each.index, each.record))
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A small log with everything in it, and some records that are not sealed yet."""
    home = tmp_path_factory.mktemp("exported")

    async def make() -> Exported:
        chance = Random(1)
        log = Log(f"sqlite:///{home}/audit.db", home)
        await build(log, chance, 100)
        late = Writer(chance)
        await log.write([late.record(BEGINNING) for _ in range(3)])
        return await Exported.of(log, home)

    return asyncio.run(make())


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
    for pinned in (log.pinned, log.pinned[:1], log.pinned[1:], []):
        await rotated._replace(keys=pinned).assert_agreed(str(pinned))


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


def _places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = [place for key, each in value.items() for place in _places(each, (*path, key))] if _is_object(value) else []
    return [*inner, path]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _spoil(value: Any, chance: Random) -> Any:
    """Another value."""
    if isinstance(value, str) and value:
        at = chance.randrange(len(value))
        letters = [each for each in (_HEX if value[at] in _HEX else _OTHERS) if each != value[at]]
        middle = chance.choice([chance.choice(letters)] * 5 + [""])
        return chance.choice([f"{value[:at]}{middle}{value[at + 1 :]}"] * 9 + [None])
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, value + 1000, -value - 1, str(value), float(value), None])
    return chance.choice([0, 1, "x"]) if value is None else chance.choice([None, {}, "x"])


def _change(value: Any, chance: Random, but: frozenset[str] = frozenset()) -> None:
    """Change one value in it."""
    *way, last = chance.choice([path for path in _places(value) if path and path[-1] not in but])
    for key in way:
        value = value[key]
    value[last] = _spoil(value[last], chance)


def _change_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    _change(chance.choice(lines[:-1]), chance, _OF_THE_SEALER)


def _change_what_counts(lines: Lines, anchors: Lines, chance: Random) -> None:
    own = [each for each in lines[:-1] if "idx" not in each or (each["row"] or {}).get("kind") not in {None, "http"}]
    _change(chance.choice(own), chance, _OF_THE_SEALER)


def _change_an_anchor(lines: Lines, anchors: Lines, chance: Random) -> None:
    line = chance.choice(anchors)
    line["checkpoint"] = _spoil(line["checkpoint"], chance)


def _drop_an_anchor(lines: Lines, anchors: Lines, chance: Random) -> None:
    del anchors[chance.randrange(len(anchors))]


def _drop_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    del lines[chance.randrange(1, len(lines) - 1)]


def _swap_lines(lines: Lines, anchors: Lines, chance: Random) -> None:
    one, other = chance.sample(range(1, len(lines) - 1), 2)
    lines[one], lines[other] = lines[other], lines[one]


def _repeat_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    at = chance.randrange(1, len(lines) - 1)
    lines.insert(chance.choice([at, len(lines) - 1]), copy.deepcopy(lines[at]))


def _cut_off(lines: Lines, anchors: Lines, chance: Random) -> None:
    del lines[-chance.randrange(1, 9) :]


def _rows(lines: Lines) -> Lines:
    return [each for each in lines if "idx" in each and each["row"] is not None]


def _remove_a_row(lines: Lines, anchors: Lines, chance: Random) -> None:
    chance.choice(_rows(lines))["row"] = None


def _unseal_a_row(lines: Lines, anchors: Lines, chance: Random) -> None:
    leaf = chance.choice(_rows(lines))
    lines.insert(-1, {"row": leaf["row"]})
    leaf["row"] = None


def _drop_a_column(lines: Lines, anchors: Lines, chance: Random) -> None:
    row = chance.choice(_rows(lines))["row"]
    del row[chance.choice(list(row))]


def _swap_rows(lines: Lines, anchors: Lines, chance: Random) -> None:
    one, other = chance.sample(_rows(lines), 2)
    one["row"], other["row"] = other["row"], one["row"]


DAMAGES: list[Callable[[Lines, Lines, Random], None]] = [
    *[_change_a_line, _change_what_counts] * 4,
    _change_an_anchor,
    _drop_an_anchor,
    _drop_a_line,
    _swap_lines,
    _repeat_a_line,
    _cut_off,
    _remove_a_row,
    _unseal_a_row,
    _drop_a_column,
    _swap_rows,
]


@pytest.mark.parametrize("seed", range(_SPOILT))
@pytest.mark.asyncio
async def test_they_agree_about_damaged_logs(exported: Exported, seed: int) -> None:
    """Whatever is changed, dropped, swapped or doubled: one verdict, about the same places, records and writers."""
    chance = Random(seed)
    lines, anchors = copy.deepcopy(exported.lines), copy.deepcopy(exported.anchors)
    damage = DAMAGES[seed % len(DAMAGES)]
    damage(lines, anchors, chance)
    if damage is not _cut_off:
        lines[-1] = {"end": len(lines) - 1}
    verdict = await exported._replace(lines=lines, anchors=anchors).assert_agreed(damage.__name__)
    if damage in {_swap_lines, _remove_a_row, _unseal_a_row, _cut_off, _swap_rows}:
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
        example.verify(path.read_text(encoding="utf-8"), exported.anchors, _pinned(exported.keys))
    try:
        report = await Verifier(keys=exported.keys).verify(Bundle(path))
    except AuditError:
        return
    assert report.verdict == "TAMPERED"


@pytest.fixture(scope="module")
def proofs(exported: Exported) -> list[bytes]:
    """Of some records: of the first and last that have rows, of one with erased parts, of one that hides some."""

    async def make() -> list[bytes]:
        url = exported.lines[0]["name"]
        rows = [each["row"] for each in _rows(exported.lines)]
        erased = next(row for row in rows if None in (row["actor"], row["target"]))
        found = [await prove(url, row["id"]) for row in (rows[0], rows[len(rows) // 2], erased, rows[-1])]
        found += [await prove(url, rows[1]["id"], shown=["detail"]), await prove(url, rows[2]["id"], shown=[])]
        return [proof.encode() for proof in found]

    return asyncio.run(make())


def _proved(content: bytes, keys: list[VerifierKey]) -> tuple[bool, bool]:
    """By the package, and by the example."""
    try:
        Proof.parse(content).check(keys)
        package = True
    except ProofFailed:
        package = False
    try:
        verdict, _ = example.check(json.loads(content), _pinned(keys))
    except Exception:  # noqa: BLE001 - as the example's own last lines have it
        return package, False
    return package, verdict == "PROVED"


def test_they_agree_about_proofs(exported: Exported, proofs: list[bytes]) -> None:
    """Whatever is shown or hidden; by the log's key, and by no other."""
    for content in proofs:
        assert _proved(content, exported.keys) == (True, True)
        assert _proved(content, [SigningKey.generate(exported.keys[0].name).verifier]) == (False, False)


@pytest.mark.parametrize("seed", range(_SPOILT_PROOFS))
def test_they_agree_about_damaged_proofs(exported: Exported, proofs: list[bytes], seed: int) -> None:
    """A value is changed, a hash or a part is left out, or comes twice."""
    chance = Random(seed)
    proof = json.loads(proofs[seed % len(proofs)])
    how = seed % 5
    if how == 0:
        at = chance.randrange(len(proof["hashes"]))
        proof["hashes"][at] = _spoil(proof["hashes"][at], chance)
    elif how == 1:
        proof["hashes"].insert(chance.randrange(len(proof["hashes"]) + 1), chance.choice(proof["hashes"]))
    elif how == 2:
        del proof["hashes"][chance.randrange(len(proof["hashes"]))]
    else:
        _change(proof, chance, frozenset({"parts", *PARTS}))  # to show less is no damage
    assert _proved(json.dumps(proof).encode(), exported.keys) == (False, False)


def test_a_part_more_or_less_is_no_damage(exported: Exported, proofs: list[bytes]) -> None:
    """What is not shown is not asked for; a part of another name is none."""
    proof = json.loads(proofs[0])
    del proof["parts"]["actor"]
    assert _proved(json.dumps(proof).encode(), exported.keys) == (True, True)
    proof["parts"]["another"] = proof["parts"]["detail"]
    assert _proved(json.dumps(proof).encode(), exported.keys) == (False, False)


def _held(public: bytes, message: bytes, signature: bytes) -> bool:
    """What the package's library says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    """The example's Ed25519 is that of RFC 8032."""
    given = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert example.signed(*given)
    assert not example.signed(given[0], given[1] + b"x", given[2])


@pytest.mark.parametrize("seed", range(40))
def test_the_signatures_are_those_of_the_library(seed: int) -> None:
    """Right ones; with a bit that is flipped, in key, text or signature; too short and too long; by another key."""
    chance = Random(seed)
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    public, message = key.public_key().public_bytes_raw(), chance.randbytes(chance.randrange(200))
    signature = key.sign(message)
    given = [public, message or b"x", signature]
    at = seed % 4
    if at < 3:
        spoilt = bytearray(given[at])
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        given[at] = bytes(spoilt)
    else:
        given[2] = chance.choice([signature[:-1], signature + b"\0", b"", signature[:32]])
    assert example.signed(public, message, signature)
    assert example.signed(*given) is _held(*given) is False


def test_a_signature_has_one_form_only() -> None:
    """The same point and the same number can be written otherwise: that is no signature (RFC 8032, section 5.1.7)."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    larger = int.from_bytes(signature[32:], "little") + ORDER
    again = signature[:32] + larger.to_bytes(32, "little")
    assert (example.signed(public, b"x", again), _held(public, b"x", again)) == (False, False)
    # A point whose y is p + 1, which is another way to write 1.
    assert not example.signed((2**255 - 18).to_bytes(32, "little"), b"x", signature)


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
