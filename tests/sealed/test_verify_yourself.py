"""The example in docs/verify-yourself.md: it is what the package makes, and what anybody else finds in it."""

import asyncio
import hashlib
import hmac
import io
import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.merkle import CompactRange, leaf_hash, node_hash
from asgi_audit.integrity.note import key_id, sign
from asgi_audit.integrity.projection import OF_PARTS, utc_text
from asgi_audit.integrity.proof import Proof
from asgi_audit.record import Actor, Kind, Outcome, Record, Request, Response, Source, Target
from asgi_audit.signing import SigningKey, VerifierKey
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.store import first_id
from asgi_audit.verification import Bundle, Verifier, write_bundle
from asgi_audit.verification.evidence import Leaf, Row, Stored, TooLarge
from tests.sealed.independent import example

PAGE = Path(__file__).parents[2] / "docs" / "verify-yourself.md"
NAME: Final = "audit.example.com/shop"
SECRET: Final = b"of this example alone, and no log's"
SEED: Final = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, 7.1, test 1
PUBLIC: Final = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
BEGINNING: Final = datetime(2026, 11, 23, 20, 4, 26, 123456, UTC)
WRITER: Final = "5f3759df5f3759df5f3759df5f3759df"
CLERK: Final = "c1e7c1e7c1e7c1e7c1e7c1e7c1e7c1e7"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _record(seconds: int, writer: str, seq: int, **facts: Any) -> Record:
    time = BEGINNING + timedelta(seconds=seconds)
    begin = first_id((time - _EPOCH) // timedelta(microseconds=1))
    salts = hashlib.sha512(f"salts {seconds}".encode()).hexdigest()[:96]
    return Record(
        v=1,
        id=f"{begin[:24]}{seconds:012x}",
        time=time,
        writer=writer,
        seq=seq,
        salts=salts,
        **{"service": "shop"} | facts,
    )


def _records() -> list[Record]:
    """A request, a mail that it sent, the erasure of who did that; and that the process has ended, not sealed yet."""
    approved = _record(
        0,
        WRITER,
        0,
        kind=Kind.HTTP,
        action="invoice.approve",
        duration_us=5321,
        outcome=Outcome.SUCCESS,
        actor=Actor("42", type="user", name="Zoë", source="scope"),
        source=Source(ip="192.0.2.7", ip_source="peer", user_agent="curl/8.5.0"),
        targets=[Target("2026-117", type="invoice"), Target("7", type="customer")],
        tenant="acme",
        request=Request(
            path="/invoices/2026-117/approve",
            method="POST",
            route="/invoices/{number}/approve",
            params={"number": "2026-117"},
            id="req-1",
        ),
        response=Response(status=200, size=17),
    )
    mailed = _record(
        2,
        WRITER,
        1,
        kind=Kind.EVENT,
        action="invoice.mail",
        actor=Actor("42", source="inherited"),
        parent=approved.id,
        data={"mails": 1},
    )
    said: dict[str, Any] = {"parts": ["actor"], "records": [mailed.id]}
    own = {"action": "trail.erase", "reason": "request 2026-9", "service": None}
    erased = _record(60, CLERK, 0, kind=Kind.ERASE, data=said, **own)
    ended = _record(90, WRITER, 2, kind=Kind.CLOSE, action="trail.close", data={"records": 2})
    return [approved, mailed, erased, ended]


class Log:
    """The evidence, as a database would give it."""

    name = "sqlite:///audit.db"
    size = 4

    def __init__(self) -> None:
        mac = MacKey(SECRET)
        self.rows = [as_row(build(each, mac)) for each in _records()]
        mailed = self.rows[1]
        for column in ("actor", "actor_salt", *OF_PARTS["actor"]):
            mailed[column] = None
        self.tree = CompactRange()
        self.hashes = [leaf_hash(row["core"].encode()) for row in self.rows[:3]]
        for each in self.hashes:
            self.tree.append(each)
        encoded = b64encode(b"\x01" + SEED).decode()
        self.key = SigningKey.parse(f"PRIVATE+KEY+{NAME}+{key_id(NAME, PUBLIC).hex()}+{encoded}")
        self.note = sign(Checkpoint(NAME, 3, self.tree.root()).text, [self.key])

    async def checkpoints(self) -> AsyncIterator[Stored]:
        time = (BEGINNING + timedelta(seconds=70) - _EPOCH) // timedelta(microseconds=1)
        yield Stored(3, self.key.key_id.hex(), self.note, self.tree.to_bytes(), time)

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        yield self.rows[2]

    async def leaves(self) -> AsyncIterator[Leaf]:
        for index, hashed in enumerate(self.hashes):
            yield Leaf(index, self.rows[index]["id"], hashed, self.rows[index])

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        yield self.rows[3]

    def bundle(self) -> str:
        file = io.BytesIO()
        asyncio.run(write_bundle(self, file))
        return file.getvalue().decode()

    def proof(self) -> str:
        return Proof.of(1, self.rows[1], [self.hashes[0], self.hashes[2]], self.note, PARTS).encode().decode()


def made() -> dict[str, str]:
    """What the package makes of it, by the names that the page gives."""
    log, mac = Log(), MacKey(SECRET)
    first = log.rows[0]
    bare = build(_records()[0])
    core = dict(zip(first, bare, strict=True))["core"]
    time = utc_text(BEGINNING + timedelta(seconds=70))
    return {
        "core": first["core"],
        "actor": first["actor"],
        "target": first["target"],
        "detail": first["detail"],
        "salts": "\n".join(f"{part:<7} {first[f'{part}_salt']}" for part in PARTS),
        "core without its MAC": core,
        "MAC": mac.mac(WRITER, core.encode()),
        "secret": SECRET.decode(),
        "leaves": "\n".join(f"{index} {each.hex()}" for index, each in enumerate(log.hashes)),
        "root over leaves 0 and 1": node_hash(*log.hashes[:2]).hex(),
        "root": log.tree.root().hex(),
        "checkpoint": log.note.rstrip("\n"),
        "public key": log.key.verifier.encode(),
        "anchor": json.dumps({"checkpoint": log.note, "time": time}, sort_keys=True, separators=(",", ":")),
        "proof": log.proof().rstrip("\n"),
        "bundle": log.bundle().rstrip("\n"),
    }


def shown() -> dict[str, str]:
    """The page's values: each is a block under its name."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"^\*\*([^*\n]+)\*\*\n\n```text\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def page() -> dict[str, str]:
    """What the page shows."""
    return shown()


def test_the_page_shows_what_the_package_makes(page: dict[str, str]) -> None:
    """To the byte; nothing is shown that is not checked here."""
    assert page == made()


def _sha256(*pieces: bytes) -> bytes:
    return hashlib.sha256(b"".join(pieces)).digest()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def test_the_commitments_follow_from_the_page(page: dict[str, str]) -> None:
    """By hashlib and hmac alone, as the others below."""
    core = json.loads(page["core"])
    for line in page["salts"].splitlines():
        part, salt = line.split()
        made = _hmac(bytes.fromhex(salt), f"asgi-audit/1 part {part}\n".encode() + page[part].encode())
        assert made.hex() == core["commitments"][part]


def test_the_mac_follows_from_the_page(page: dict[str, str]) -> None:
    """HKDF by its definition, and the member cut out of the core's text."""
    core, member = page["core"], f',"mac":"{page["MAC"]}"'
    assert core.replace(member, "") == page["core without its MAC"]
    extracted = _hmac(bytes(32), page["secret"].encode())
    writer = json.loads(core)["writer"]
    id_ = _hmac(extracted, b"asgi-audit/1 mac id\x01")[:4].hex()
    key = _hmac(extracted, f"asgi-audit/1 mac {writer}".encode() + b"\x01")
    assert page["MAC"] == f"{id_}:{_hmac(key, page['core without its MAC'].encode()).hex()}"


def test_the_tree_follows_from_the_page(page: dict[str, str]) -> None:
    """Leaves, the node over two of them, and the root."""
    first, second, third = (bytes.fromhex(line.split()[1]) for line in page["leaves"].splitlines())
    assert first == _sha256(b"\0", page["core"].encode())
    assert _sha256(b"\1", first, second).hex() == page["root over leaves 0 and 1"]
    assert _sha256(b"\1", _sha256(b"\1", first, second), third).hex() == page["root"]


def test_the_checkpoint_follows_from_the_page(page: dict[str, str]) -> None:
    """The text, the key's id, and the signature of the text with its last newline."""
    text, _, line = page["checkpoint"].rpartition("\n\n")
    assert text == f"{NAME}\n3\n{b64encode(bytes.fromhex(page['root'])).decode()}"
    name, written, encoded = page["public key"].split("+", 2)
    typed = b64decode(encoded)
    assert (typed[:1], written) == (b"\1", _sha256(name.encode(), b"\n", typed)[:4].hex())
    dash, signer, content = line.split(" ")
    assert (dash, signer) == ("\N{EM DASH}", name)
    signed = b64decode(content)
    assert signed[:4].hex() == written
    assert example.signed(typed[1:], f"{text}\n".encode(), signed[4:])
    assert json.loads(page["anchor"])["checkpoint"] == f"{page['checkpoint']}\n"


def test_the_proof_follows_from_the_page(page: dict[str, str]) -> None:
    """From the leaf up: what stands on the left, then what stands on the right."""
    proof = json.loads(page["proof"])
    left, right = map(bytes.fromhex, proof["hashes"])
    leaf = _sha256(b"\0", proof["core"].encode())
    assert proof["index"] == 1
    assert _sha256(b"\1", _sha256(b"\1", left, leaf), right).hex() == page["root"]
    assert proof["checkpoint"] == f"{page['checkpoint']}\n"
    for part, given in proof["parts"].items():
        made = _hmac(bytes.fromhex(given["salt"]), f"asgi-audit/1 part {part}\n{given['text']}".encode())
        assert made.hex() == json.loads(proof["core"])["commitments"][part]


def test_both_verifiers_are_content_with_the_page(page: dict[str, str], tmp_path: Path) -> None:
    """The bundle passes, with its anchor and key; so does the proof."""
    key = VerifierKey.parse(page["public key"])
    bundle, anchor = tmp_path / "log.jsonl", tmp_path / "anchor.jsonl"
    bundle.write_text(page["bundle"] + "\n", encoding="utf-8")
    anchor.write_text(page["anchor"] + "\n", encoding="utf-8")
    verifier = Verifier(keys=[key], anchors=[FileAnchor(anchor)], mac=MacKey(SECRET))
    report = asyncio.run(verifier.verify(Bundle(bundle)))
    assert (report.verdict, report.findings, report.sealed, report.unsealed) == ("PASS", [], 3, 1)
    pinned = {(key.name, key.key_id): key.public}
    assert example.verify(bundle.read_text(encoding="utf-8"), [json.loads(page["anchor"])], pinned) == ("PASS", [])
    assert Proof.parse(page["proof"].encode()).check([key]).hidden == ["actor"]
    assert example.check(json.loads(page["proof"]), pinned)[0] == "PROVED"


def test_the_columns_of_the_page_are_those_of_the_table(page: dict[str, str]) -> None:
    """Every column of a row has its line in the page's table, and the other way round."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("| column | must equal |")[2].partition("\n\n")[0]
    columns = {name for row in table.splitlines() for name in re.findall("`([a-z_]+)`", row.split(" | ")[0])}
    row = json.loads(page["bundle"].splitlines()[2])["row"]
    assert columns | {"core", *PARTS, *(f"{part}_salt" for part in PARTS)} == set(row)
