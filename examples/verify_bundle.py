"""Verifies an exported log, or the proof of one record, with Python alone: it shares no line with the package.

    python verify_bundle.py log.jsonl --anchor anchor.jsonl --key audit.key.pub   (or: --proof proof.json --key …)

It follows docs/verify-yourself.md, but for MACs, and holds the whole log in memory. Exit codes stand at the end.
"""

import argparse
import hmac
import json
import re
import time
from base64 import b64decode
from collections import Counter, defaultdict, namedtuple
from functools import cache, reduce
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

PARTS = ("actor", "target", "detail")
OF_CORE = ("id", "parent", "writer", "seq", "kind", "duration_us", "outcome", "method", "route", "status", "service")
WIDTHS = {"action": 500, "actor_id": 500, "actor_type": 120, "target_id": 500, "target_type": 120}
NOTE = re.compile(  # origin, size, root, and what others add; an empty line; signatures
    "(([^\0-\x1f]+)\n(0|[1-9][0-9]{0,18})\n([a-zA-Z0-9+/]{42}[AEIMQUYcgkosw048]=)\n(?:[^\0-\x1f]+\n)*)\n((?:— "
    "[^\\s\0-\x1f\x7f-\x9f+]+ (?:[a-zA-Z0-9+/]{4})+(?:[a-zA-Z0-9+/](?:[AQgw]=|[a-zA-Z0-9+/][AEIMQUYcgkosw048])=)?\n)*)"
)
Head = namedtuple("Head", "origin size root signed")  # signed by a given key; None if the signature of one is forged
PRIME, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
CURVE, ROOT = -121665 * pow(121666, -1, PRIME) % PRIME, pow(2, (PRIME - 1) // 4, PRIME)
BASE = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A, 4 * pow(5, -1, PRIME) % PRIME


@cache
def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519: whether R is how sB - kA is written (RFC 8032, section 5.1.7). Points are (x, y); it is slow."""
    sign, y = divmod(int.from_bytes(public, "little"), 2**255)
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, PRIME) % PRIME
    roots = [pow(square, (PRIME + 3) // 8, PRIME) * each % PRIME for each in (1, -1, ROOT, -ROOT)]
    minus = [(x, y) for x in roots if x * x % PRIME == square and x % 2 != sign and y < PRIME][:1]
    s, digest = int.from_bytes(signature[32:], "little"), sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % ORDER
    x, y = 0, 1
    for bit in reversed(range(253)):
        for v, w in [(x, y), *[BASE] * (s >> bit & 1), *minus * (k >> bit & 1)]:
            t = CURVE * x * y * v * w
            x, y = (x * w + y * v) * pow(1 + t, -1, PRIME) % PRIME, (y * w + x * v) * pow(1 - t, -1, PRIME) % PRIME
    return len(minus) == 1 and s < ORDER and (y | x % 2 << 255).to_bytes(32, "little") + signature[32:64] == signature


def read_checkpoint(note: Any, keys: dict[Any, bytes]) -> Any:
    """What a note says; None if it is none. A key is found by its name and its id."""
    match = NOTE.fullmatch(str(note))
    if match is None or int(match[3]) >= 2**63 or len(match[0].encode()) > 65536 or match[5].count("\n") > 64:
        return None
    lines = [(of, b64decode(encoded)) for of, encoded in re.findall("— (.+) (.+)\n", match[5])]
    held = [signed(keys[of, it[:4]], match[1].encode(), it[4:]) for of, it in lines if (of, it[:4]) in keys]
    return Head(match[2], int(match[3]), b64decode(match[4]), any(held) if all(held) else None)


def examine(row: Any, leaf: bytes | None) -> tuple[Any, Any, list[str], list[str]]:
    """Who says what; what of core and parts was changed; and the columns that do not repeat what these say."""
    content = row["core"].encode(errors="surrogateescape")
    core, parts = json.loads(content.decode()), {}
    wrong = ["core"] * (leaf not in (None, sha256(b"\0" + content).digest()))
    for part in PARTS:
        text, salt = row.get(part), row.get(f"{part}_salt")
        parts[part] = json.loads(text if isinstance(text, str) else "{}")
        message = f"asgi-audit/1 part {part}\n{text}".encode(errors="surrogateescape")
        key = re.fullmatch("[0-9a-f]{32}", str(salt)) and bytes.fromhex(salt)
        kept = key and hmac.digest(key, message, "sha256").hex() == core["commitments"][part]
        wrong += [part] * (not kept and (text, salt) != (None, None))
    who, source = parts["actor"].get("actor", {"id": None}), parts["actor"].get("source", {})
    first, request = parts["target"].get("targets", [{"id": None}])[0], parts["detail"].get("request", {"path": None})
    texts = {"action": core["action"], "actor_id": who["id"], "actor_type": who.get("type"), "ip": source.get("ip")}
    texts |= {"target_id": first["id"], "target_type": first.get("type"), "tenant": parts["target"].get("tenant")}
    texts |= {"path": request["path"], "request_id": request.get("id"), "trace_id": request.get("trace_id")}
    texts["time"] = f"{core['time'][:19]}.{core['time'][20:-1]:0<6}Z"
    columns = {of: core.get(of) for of in OF_CORE} | {of: it and it[: WIDTHS.get(of)] for of, it in texts.items()}
    lies = [of for of, it in columns.items() if (row.get(of), type(row.get(of))) != (it, type(it))]
    return [core[of] for of in ("kind", "id", "writer", "seq", "v")], parts["detail"].get("data", {}), wrong, lies


def verify(content: str, anchors: list[Any], keys: dict[Any, bytes]) -> tuple[str, list[Any]]:
    """The verdict; and what speaks against the log: in words, the index, the id of the record or of the writer."""
    *lines, end = map(json.loads, content.split("\n")[:-1])
    if lines[0]["format"] != "asgi-audit/1 bundle":
        raise ValueError("this is no bundle")
    findings: list[Any] = [("the bundle is cut off", None, None)] * (end != {"end": len(lines)})
    now, scheme = time.time_ns() // 1000, lines[0]["name"].partition(":")[0]
    own, known = dict[Any, int](), set[Any]()  # the database's checkpoints, and when they were signed; the anchors'
    for line in [*(line for line in lines if "checkpoint" in line), *anchors]:
        head = read_checkpoint(line["checkpoint"], keys)
        if head is None or head.signed is None:
            findings += [("a checkpoint is not sound", line.get("size"), None)] * (head is not None or "size" in line)
        elif "size" in line:
            own[head] = line["time"] if isinstance(line["time"], int) else 1
            findings += [("a checkpoint is kept as another", head.size, None)] * (repr(line["size"]) != f"{head.size}")
        elif head.signed or not keys:
            known.add(head)
    logs = {head.origin.partition("/restart-")[0] for head in own}
    known = {head for head in known if not logs or head.origin.partition("/restart-")[0] in logs}
    if keys and own and not any(head.signed for head in own if head.size == max(each.size for each in own)):
        findings.append(("the newest checkpoint is signed by none of the given keys", None, None))
    # Runs are of a writer's seq: first, last, sealed when. What records of a kind say: their index, id, writer, data.
    peaks, roots, ids, gone, lost = list[bytes](), [sha256(b"").digest()], list[Any](), list[Any](), Counter[Any]()
    runs, ends, said = (defaultdict[Any, list[Any]](list) for _ in range(3))
    for line in sorted((line for line in lines if "row" in line), key=lambda line: "idx" in line):
        row, index, leaf, since = line["row"], None, None, now
        if "idx" in line:
            if repr(line["idx"]) != repr(index := len(ids)) or not re.fullmatch("[0-9a-f]{64}", str(line["hash"])):
                findings.append(("this leaf is missing", index, None))
                break
            ids.append(line["record_id"])
            leaf = node = bytes.fromhex(line["hash"])
            for _ in range((~index & index + 1).bit_length() - 1):  # two trees of one size become one
                node = sha256(b"\1" + peaks.pop() + node).digest()
            peaks.append(node)
            roots.append(reduce(lambda right, left: sha256(b"\1" + left + right).digest(), reversed(peaks)))
            since = min(((head.size, at) for head, at in own.items() if head.size > index), default=(0, now))[1]
        try:
            (kind, id_, writer, seq, _), data, wrong, lies = examine(row, leaf)
        except Exception:  # noqa: BLE001 - whatever it is, it is no record; where there is none, it may have been purged
            gone += [(index, index, None)] * (row is None and leaf is not None)
            id_ = row.get("id") if isinstance(row, dict) else None
            findings += [("this is no record", index, id_)] * (row is not None)
            continue
        findings += [(f"the {name} is not what it should be", index, row.get("id")) for name in wrong + lies]
        findings += [("the leaf is of another record", index, id_)] * (leaf is not None and id_ != ids[-1])
        gone += [((id_, part), index, id_) for part in PARTS if row.get(part) is None]
        runs[writer] += [(seq, seq, since)] * ("core" not in wrong)
        said[kind] += [(index, id_, writer, data)] * (not wrong + lies)
    good = {head for head in {*own, *known} if head.size <= len(ids) and roots[head.size] == head.root}
    bad = {head for head in {*own, *known} if head not in good or head not in own}
    for at, new in [(at, data["restart"]) for at, _, _, data in said["loss"] if at is not None and "restart" in data]:
        if any(it.origin == new["to"] not in new["from"] and it.size > at for it in good if it.signed or it in known):
            given_up = {it for it in bad if it.origin in new["from"] and it.size > new["size"] - (it in good)}
            bad, lost[None] = bad - given_up, lost[None] + len(given_up - good)
    findings += [("the log is not that of this checkpoint", head.size, None) for head in bad]
    why = {(id_, part) for *_, data in said["erase"] for id_ in data["records"] for part in data["parts"]}
    for _, id_, _, data in said["purge"]:
        for first, last, digest in data["ranges"]:
            why |= {*range(first, min(last + 1, len(ids)))}
            if sha256("".join(f"{each}\n" for each in ids[first : last + 1]).encode()).hexdigest() != digest:
                findings.append(("other records were purged than this one says", None, id_))
        told = sum(last - first + 1 for pieces in data["writers"].values() for first, last in pieces)
        for writer, pieces in data["writers"].items() if told <= sum(b - a + 1 for a, b, _ in data["ranges"]) else ():
            runs[writer] += [(first, last, 0) for first, last in pieces]
    findings += [("something is gone, and no record says why", at, id_) for key, at, id_ in gone if key not in why]
    for *_, writer, data in said["loss"]:
        if data.get("sink", scheme).partition(":")[0] == scheme:
            of = data.get("writer", writer if "sink" in data else None)
            lost[of] += data.get("records") or min(1, data.get("entries", 0))
    for *_, writer, data in said["close"]:
        ends[data.get("writer", writer)].append((data["records"], data["records"] - 1, 0))
    for writer, pieces in runs.items():
        following, missing = 0, -lost[writer]
        for first, last, since in sorted(pieces + ends[writer]):
            missing += max(0, first - following) if ends[writer] or now - since > 3_600_000_000 else 0
            following = max(following, last + 1)
        seqs = [first for first, _, since in pieces if since]
        if (missing > 0 and len(ids) == sum("idx" in line for line in lines)) or len({*seqs}) < len(seqs):
            findings.append(("its records are not all there, or two have one number", None, writer))
    vouched, ours = (max((head.size for head in good & {*some}), default=-1) for some in (known, own))
    verdict = "UNANCHORED" if vouched < max(ours, 0) else "DECLARED LOSS" if lost.total() else "PASS"
    return "TAMPERED" if findings else verdict, findings


def check(proof: Any, keys: dict[Any, bytes]) -> tuple[str, list[Any]]:
    """Whether a proof holds; and what it shows."""
    head, index, row = read_checkpoint(proof["checkpoint"], keys), proof["index"], {"core": proof["core"]}
    for part, shown in proof["parts"].items():
        row |= {part: shown["text"], f"{part}_salt": shown["salt"]}
    root = sha256(b"\0" + proof["core"].encode()).digest()
    lefts = [index >> height & 1 for height in range((index ^ head.size - 1).bit_length())]
    lefts += [1] * (index >> len(lefts)).bit_count()
    for left, beside in zip(lefts, map(bytes.fromhex, proof["hashes"]), strict=True):
        root = sha256(b"\1" + (beside + root if left else root + beside)).digest()
    sound = proof["format"] == "asgi-audit/1 proof" and not examine(row, None)[2] and {*proof["parts"]} <= {*PARTS}
    there = head.signed and root == head.root and 0 <= index < head.size
    return "PROVED" if sound and there else "NOT PROVED", [*row.values()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Verify an exported log, or the proof of one record.")
    parser.add_argument("bundle", nargs="?", type=Path, default="log.jsonl")
    parser.add_argument("--proof", type=Path)
    parser.add_argument("--anchor", type=Path, action="append", default=[])
    parser.add_argument("--key", type=Path, action="append", default=[])
    given = parser.parse_args()
    try:
        texts = (path.read_text("utf-8").split("+", 2) for path in given.key)
        keys = {(of, bytes.fromhex(id_)): b64decode(key)[1:] for of, id_, key in texts}
        anchors = [json.loads(line) for path in given.anchor for line in path.read_text("utf-8").splitlines()]
        content = (given.proof or given.bundle).read_text("utf-8")
        verdict, said = check(json.loads(content), keys) if given.proof else verify(content, anchors, keys)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no verdict
        verdict, said = "NOT VERIFIED", [f"{type(error).__name__}: {error}"]
    print(verdict, *said, sep="\n  ")
    raise SystemExit({"PASS": 0, "PROVED": 0, "UNANCHORED": 2, "DECLARED LOSS": 3, "NOT VERIFIED": 4}.get(verdict, 1))
