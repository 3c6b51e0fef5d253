"""What a signed note is, and what is none."""

import base64
import hashlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.integrity.note import (
    BadSignature,
    MalformedNote,
    Note,
    Signature,
    check_name,
    key_id,
    sign,
    verified,
)
from tests.strategies import texts

# The example of C2SP's signed-note.
QUASIMODO = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""


class Hashing(NamedTuple):
    """A key whose signature is a plain hash of the text: a signer and a verifier in one."""

    name: str
    key_id: bytes = b"\x00\x01\x02\x03"

    def sign(self, text: bytes) -> bytes:
        return hashlib.sha256(self.name.encode() + self.key_id + text).digest()

    def verify(self, text: bytes, signature: bytes) -> bool:
        return signature == self.sign(text)


def _note(text: str, signers: Sequence[Hashing]) -> Note:
    return Note.parse(sign(text, signers))


_lines = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20), max_size=20)
_texts = st.lists(_lines, min_size=1, max_size=6).map(lambda lines: "".join(f"{line}\n" for line in lines))
_names = texts(min_size=1).filter(lambda name: "+" not in name and not any(each.isspace() for each in name))
_signatures = st.builds(Signature, _names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=70))
_notes = st.builds(Note, _texts, st.lists(_signatures, max_size=4).map(tuple))


def test_the_example_of_the_specification_is_read_and_printed() -> None:
    """Its text has an empty line of its own; the last one divides."""
    note = Note.parse(QUASIMODO)
    assert note.text == ("Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n")
    ((name, key, signature),) = note.signatures
    assert (name, key.hex(), len(signature)) == ("quasimodo.example/salvatore", "367ba04b", 64)
    assert str(note) == QUASIMODO


@given(_notes)
def test_a_note_is_read_as_it_was_printed(note: Note) -> None:
    """Whatever its text says, also if that looks like a note."""
    assert Note.parse(str(note)) == note
    nested = note._replace(text=str(note))
    assert Note.parse(str(nested)) == nested


@given(st.one_of(st.text("—  \nab+/=A1é\x85"), st.text(st.characters()), _notes.map(str)), st.data())
def test_anything_else_is_malformed(content: str, data: st.DataObject) -> None:
    """Nothing else is raised, in one short line; what is read is printed as it was, to the last bit."""
    at = data.draw(st.integers(0, len(content)))
    content = content[:at] + data.draw(st.text(st.sampled_from("\n —+=Aé\t\ud800\x7f"), max_size=2)) + content[at + 1 :]
    try:
        note = Note.parse(content)
    except MalformedNote as error:
        printed, message = content, str(error)
    else:
        printed, message = str(note), ""
    assert printed == content
    assert message.isprintable()
    assert len(message) < 300


_SIGNED = "— a AAECAwQ=\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "text",
        "text\n",
        f"text\n{_SIGNED}",
        f"text\n\n{_SIGNED}"[:-1],
        f"text\n\n{_SIGNED} ",
        "text\n\nmore",
        "text\n\nmore\n",
        "text\n\n— a\n",
        "text\n\n— AAECAwQ=\n",
        "text\n\n—  AAECAwQ=\n",
        "text\n\n- a AAECAwQ=\n",
        "text\n\na AAECAwQ=\n",
        "text\n\n—a AAECAwQ=\n",
        "text\n\n— a+b AAECAwQ=\n",
        "text\n\n— a\u2003b AAECAwQ=\n",
        "text\n\n— a AAECAwQ= \n",
        "text\n\n— a  AAECAwQ=\n",
        "text\n\n— a AAECAwQ\n",
        "text\n\n— a AAECAwQ==\n",
        "text\n\n— a AAECAwR=\n",
        "text\n\n— a AAEC-_Q=\n",
        "text\n\n— a AA=ECAwQ\n",
        "text\n\n— a AAECAé==\n",
        "text\n\n— a AAECAw==\n",
        "text\n\n— a \n",
        f"text\r\n\n{_SIGNED}",
        f"te\0xt\n\n{_SIGNED}",
        f"te\txt\n\n{_SIGNED}",
        f"te\ud800xt\n\n{_SIGNED}",
    ],
)
def test_there_is_one_way_only_to_write_a_note(content: str) -> None:
    """No carriage return, no other dash, no base64 that another decoder lets pass, no signature of four bytes."""
    Note.parse(f"text\n\n{_SIGNED}")
    with pytest.raises(MalformedNote):
        Note.parse(content)


def test_a_note_has_bounds() -> None:
    """64 signatures and 64 KiB are read, no more."""
    assert len(Note.parse(f"text\n\n{_SIGNED * 64}").signatures) == 64
    with pytest.raises(MalformedNote, match="at most 64 signatures, not 65"):
        Note.parse(f"text\n\n{_SIGNED * 65}")
    largest = "è" * (32 * 1024 - 1) + "\n"
    assert Note.parse(f"{largest}\n").text == largest
    with pytest.raises(MalformedNote, match="at most 65536 bytes, not 65537"):
        Note.parse(f"x{largest}\n")


def test_an_unsigned_note_is_a_text_and_a_blank_line() -> None:
    """It is read, and no reader with a key believes it."""
    assert sign("text\n", []) == "text\n\n"
    note = Note.parse("text\n\n")
    assert note == Note("text\n", ())
    assert verified(note, [Hashing("a")]) == []


@pytest.mark.parametrize("text", ["", "text", "text\n\n— a AAECAwQ=", "te\0xt\n", "te\ud800xt\n", "x" * 65536 + "\n"])
def test_only_a_text_that_will_be_read_is_signed(text: str) -> None:
    """The signer isn't even asked."""
    with pytest.raises(MalformedNote):
        sign(text, [])


def test_a_signature_that_makes_a_note_too_long_is_not_written() -> None:
    """The same bounds hold for writing and reading."""
    with pytest.raises(MalformedNote):
        sign("x" * 65500 + "\n", [Hashing("a")])


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\n\n— b AAECAwQ=\n", "a\x7f", "\x85", "\ud800", "é" * 128]
)
def test_some_names_are_no_keys(name: str) -> None:
    """No emptiness, no plus, no white space, no control character, 255 bytes at most; such a key signs nothing."""
    with pytest.raises(MalformedNote):
        check_name(name)
    with pytest.raises(MalformedNote):
        sign("text\n", [Hashing(name)])


def test_no_unicode_space_stands_in_a_name() -> None:
    """The characters with the property White_Space, of which the last is U+3000."""
    spaces = [0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
    for code in [*range(0x21), *spaces]:
        with pytest.raises(MalformedNote):
            check_name(f"a{chr(code)}b")
    assert [code for code in range(0xA0, sys.maxunicode) if chr(code).isspace()] == spaces[1:]


@given(_names)
def test_other_names_are(name: str) -> None:
    """They are given back."""
    assert check_name(name) == name
    assert check_name("é" * 127 + "x") == "é" * 127 + "x"


def test_the_id_of_a_key_is_a_hash_of_its_name_and_itself() -> None:
    """That of PeterNeumann, a test key of Go's sumdb/note, is the one that stands in it."""
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    assert key_id("PeterNeumann", public).hex() == "c74f20a3"
    assert key_id("PeterNeuman", public).hex() != "c74f20a3"


def test_a_signature_of_a_known_key_is_found() -> None:
    """It is the text with its last newline that is signed."""
    a = Hashing("a")
    note = _note("text\n", [a])
    assert note.signatures == (Signature("a", a.key_id, a.sign(b"text\n")),)
    assert verified(note, [a]) == [a]


def test_unknown_signatures_are_ignored() -> None:
    """Also those that share a name or an id with a known key, but not both, whatever they say."""
    a = Hashing("a")
    strangers = [Hashing("a", b"\xff\xff\xff\xff"), Hashing("b", a.key_id)]
    note = _note("text\n", [*strangers, a])
    assert verified(note, [a]) == [a]
    assert verified(_note("text\n", strangers), [a]) == []
    assert verified(note, []) == []


def test_a_key_is_replaced_by_signing_with_both() -> None:
    """Whoever knows the old, the new or both keys believes the note; the answer is in the reader's order."""
    old, new = Hashing("log", b"old "), Hashing("log", b"new ")
    note = _note("text\n", [old, new])
    assert [each.key_id for each in note.signatures] == [b"old ", b"new "]
    assert verified(note, [old]) == [old]
    assert verified(note, [new]) == [new]
    assert verified(note, [new, old]) == [new, old]


def test_a_known_key_whose_signature_is_bad_spoils_the_note() -> None:
    """Whatever the other signatures are, also a good one by the same key."""
    a, b = Hashing("a"), Hashing("b")
    note = _note("text\n", [a, b])
    forged = note.signatures[1]._replace(signature=b"forged")
    for signatures in [(forged,), (note.signatures[0], forged), (*note.signatures, forged), (forged, *note.signatures)]:
        with pytest.raises(BadSignature, match="the signature of 'b' does not verify") as raised:
            verified(Note(note.text, signatures), [a, b])
        assert raised.value.name == "b"
        assert verified(Note(note.text, signatures), [a]) == [a][: len(signatures) - 1]


def test_a_text_that_was_changed_is_not_believed() -> None:
    """Its signature is another text's."""
    a = Hashing("a")
    with pytest.raises(BadSignature):
        verified(_note("text\n", [a])._replace(text="another text\n"), [a])
