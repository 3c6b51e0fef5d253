"""Keys, what they sign, and the files they are kept in."""

import argparse
import base64
import copy
import errno
import importlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.cli.integrity import keygen
from asgi_audit.errors import ConfigurationError, MissingDependencyError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import BadSignature, MalformedNote, Note, key_id, sign, verified
from asgi_audit.signing import SigningKey, VerifierKey

# The keys of the tests of Go's sumdb/note, and what they sign there.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = """\
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
ENOCH_LINE = """\
— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=
"""

# RFC 8032, section 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
OF_NOTHING = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
    "655141438e7a100b"
)

Load = Callable[[Path | str], object]


def _private(name: str, seed: bytes, public: bytes, kind: bytes = b"\x01") -> str:
    return f"PRIVATE+KEY+{name}+{key_id(name, public).hex()}+{base64.b64encode(kind + seed).decode()}"


def _secrets(private: str) -> list[str]:
    """Whatever must not be said about a key: pieces of its text, of its seed in hex and of its seed as bytes."""
    encoded = private.split("+", 4)[4]
    seed = base64.b64decode(encoded)[1:]
    return [encoded[2:12], encoded[-12:], seed.hex()[:10], repr(seed)[2:12]]


def test_the_notes_of_go_verify() -> None:
    """One key or both; the other's signature is nobody's."""
    peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)
    assert verified(Note.parse(f"{TEXT}\n{PETER_LINE}"), [peter]) == [peter]
    both = Note.parse(f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}")
    assert verified(both, [peter]) == [peter]
    assert verified(both, [enoch]) == [enoch]
    assert verified(both, [peter, enoch]) == [peter, enoch]
    with pytest.raises(BadSignature, match="PeterNeumann"):
        verified(both._replace(text=TEXT.replace("problem", "question")), [peter, enoch])


def test_a_key_of_go_signs_as_it_does_there() -> None:
    """Ed25519 leaves nothing to chance."""
    key = SigningKey.parse(PETER_PRIVATE)
    assert (key.name, key.key_id.hex()) == ("PeterNeumann", "c74f20a3")
    assert key.encode() == PETER_PRIVATE
    assert key.verifier.encode() == str(key.verifier) == PETER
    assert sign(TEXT, [key]) == f"{TEXT}\n{PETER_LINE}"


def test_the_first_vector_of_the_rfc() -> None:
    """The seed gives the public key, and the empty text its signature."""
    key = SigningKey.parse(_private("rfc8032", SEED, PUBLIC))
    assert key.verifier == VerifierKey("rfc8032", PUBLIC)
    assert key.sign(b"") == OF_NOTHING
    assert key.verifier.verify(b"", OF_NOTHING)
    assert not key.verifier.verify(b"x", OF_NOTHING)


@given(st.text("abcdefghij.-/é", min_size=1, max_size=20), st.binary())
def test_a_key_is_read_as_it_was_written(name: str, text: bytes) -> None:
    """Either half; the public one verifies what the private one signs, and nothing else."""
    key = SigningKey.generate(name)
    again = SigningKey.parse(key.encode())
    assert again.encode() == key.encode()
    assert VerifierKey.parse(key.verifier.encode()) == again.verifier
    assert key.sign(text) == again.sign(text)
    assert key.verifier.verify(text, key.sign(text))
    assert not key.verifier.verify(text + b"\0", key.sign(text))
    assert not SigningKey.generate(name).verifier.verify(text, key.sign(text))


@given(st.binary(max_size=70))
def test_any_other_bytes_are_no_signature(signature: bytes) -> None:
    """Of any length; nothing is raised."""
    assert not VerifierKey.parse(PETER).verify(b"text\n", signature)


def test_public_halves_are_values() -> None:
    """Equal and hashable by name and key; a name is part of it."""
    assert {VerifierKey.parse(PETER), VerifierKey("PeterNeumann", VerifierKey.parse(PETER).public)} == {
        VerifierKey.parse(PETER)
    }
    assert VerifierKey("a", PUBLIC) != VerifierKey("b", PUBLIC)


def test_no_flipped_bit_of_a_signed_checkpoint_verifies() -> None:
    """Each of them makes it malformed, another key's, or a forgery."""
    key = SigningKey.parse(PETER_PRIVATE)
    content = sign(Checkpoint("example.com/log", 20852163, bytes(range(32))).text, [key]).encode()
    seen: dict[str, int] = {"malformed": 0, "nobody's": 0, "forged": 0}
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        seen[_verdict(flipped.decode(errors="surrogateescape"), key.verifier)] += 1
    assert all(seen.values())
    assert sum(seen.values()) == 8 * len(content)
    assert verified(Note.parse(content.decode()), [key.verifier]) == [key.verifier]


def _verdict(content: str, key: VerifierKey) -> str:
    try:
        note = Note.parse(content)
        good = verified(note, [key])
        Checkpoint.parse(note.text)
    except MalformedNote:
        return "malformed"
    except BadSignature:
        return "forged"
    return "believed" if good else "nobody's"


_SHORT = base64.b64encode(b"\x01" + SEED[:31]).decode()


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "no private key as"),
        ("PRIVATE+KEY+", "no private key as"),
        (f"{PETER_PRIVATE}\n", "no private key as"),
        (f" {PETER_PRIVATE}", "no private key as"),
        (PETER_PRIVATE.lower(), "no private key as"),
        (PETER_PRIVATE.replace("+c74f20a3", ""), "no private key as"),
        (PETER_PRIVATE.replace("c74f20a3", "C74F20A3"), "no private key as"),
        (PETER_PRIVATE.replace("PeterNeumann", "Peter Neumann"), "no private key as"),
        (PETER_PRIVATE.replace("PeterNeumann", ""), "no private key as"),
        (PETER_PRIVATE[:-1], "no private key as"),
        (f"{PETER_PRIVATE}\udcff", "no private key as"),
        (PETER_PRIVATE.replace("PeterNeumann", "PeterNeuman"), "its id is not"),
        (PETER_PRIVATE.replace("c74f20a3", "c74f20a4"), "its id is not"),
        (f"{PETER_PRIVATE[:-1]}A", "its id is not"),
        (_private("rfc8032", SEED, PUBLIC, kind=b"\x02"), "another kind"),
        (f"PRIVATE+KEY+a+00000000+{_SHORT}", "another kind"),
        (PETER, "the public half: give the file without .pub"),
    ],
)
def test_a_private_key_is_read_strictly(text: str, remedy: str) -> None:
    """The error says what is wrong, and nothing of the text."""
    with pytest.raises(ConfigurationError, match=remedy) as raised:
        SigningKey.parse(text)
    assert raised.value.argument == "key"
    _says_nothing_of(_secrets(PETER_PRIVATE), raised.value)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "no public key as"),
        (f"{PETER}\n", "no public key as"),
        (PETER.replace("c74f20a3", "c74f20a"), "no public key as"),
        (PETER.replace("PeterNeumann", "Peter\u2003Neumann"), "no public key as"),
        (PETER[:-1], "no public key as"),
        (f"{PETER}=", "no public key as"),
        (PETER.replace("PeterNeumann", "PeterNeuman"), "its id is not"),
        (PETER.replace("c74f20a3", "c74f20a4"), "its id is not"),
        (f"{PETER[:-1]}A", "its id is not"),
        (f"a+00000000+{_SHORT}", "another kind"),
        (f"a+00000000+{base64.b64encode(bytes(2) + PUBLIC).decode()}", "another kind"),
        (PETER_PRIVATE, "the private half"),
        (f"{PETER_PRIVATE} ", "the private half"),
        (PETER_PRIVATE.lower(), "no public key as"),
        (f" {PETER_PRIVATE}", "no public key as"),
    ],
)
def test_a_public_key_is_read_strictly(text: str, remedy: str) -> None:
    """The error says what is wrong, and nothing of the text: it may be the private one, with a mistake."""
    with pytest.raises(ConfigurationError, match=remedy) as raised:
        VerifierKey.parse(text)
    assert raised.value.argument == "key"
    _says_nothing_of(_secrets(PETER_PRIVATE), raised.value)


def _says_nothing_of(secrets: list[str], error: BaseException | None) -> None:
    """Neither do the errors that led to it."""
    while error is not None:
        assert [secret for secret in secrets if secret in f"{error} {error!r} {vars(error)}"] == []
        error = error.__cause__ or error.__context__


@given(st.text() | st.builds("{}+{}+{}".format, st.text(), st.text("0123456789abcdef"), st.text()))
def test_no_other_text_is_a_key(text: str) -> None:
    """Nothing but a configuration error is raised, in either role."""
    for parse in (SigningKey.parse, VerifierKey.parse):
        for given_text in (text, f"PRIVATE+KEY+{text}"):
            with pytest.raises(ConfigurationError):
                parse(given_text)


def test_a_key_does_not_show_itself() -> None:
    """Whoever prints one sees its name and id; only `encode` gives the seed away."""
    key = SigningKey.parse(PETER_PRIVATE)
    shown = f"{key} {key!r} {[key]} {vars(key)} {copy.copy(key)}"
    assert "SigningKey(name='PeterNeumann', key_id='c74f20a3')" in shown
    assert [secret for secret in _secrets(key.encode()) if secret in shown] == []


def test_a_key_needs_a_name() -> None:
    """One that can stand in a note."""
    for name in ("", "a b", "a+b", "a\n"):
        with pytest.raises(ConfigurationError, match="the name of a key") as raised:
            SigningKey.generate(name)
        assert raised.value.argument == "name"


@pytest.fixture
def _umask() -> Iterator[None]:
    """A user who lets everybody write what he makes."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_a_key_is_kept_in_two_files(tmp_path: Path) -> None:
    """Only the owner can read the private one; each is a line, and is read again."""
    key = SigningKey.generate("log")
    path = tmp_path / "seal.key"
    key.save(path)
    public = tmp_path / "seal.key.pub"
    assert sorted(tmp_path.iterdir()) == [path, public]
    assert path.read_text() == f"{key.encode()}\n"
    assert public.read_text() == f"{key.verifier}\n"
    assert [oct(stat.S_IMODE(each.stat().st_mode)) for each in (path, public)] == ["0o600", "0o644"]
    assert SigningKey.load(path).encode() == SigningKey.load(str(path)).encode() == key.encode()
    assert VerifierKey.load(public) == VerifierKey.load(str(public)) == key.verifier


def test_empty_lines_before_a_key_do_not_matter(tmp_path: Path) -> None:
    """Nor do spaces around it, or what comes behind it."""
    (tmp_path / "key").write_bytes(f"\r\n  {PETER_PRIVATE} \r\nmore".encode())
    (tmp_path / "pub").write_bytes(f"\n{PETER}".encode())
    assert SigningKey.load(tmp_path / "key").verifier == VerifierKey.load(tmp_path / "pub")


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_no_key_is_overwritten(tmp_path: Path, there: str) -> None:
    """Nor is a public half; the other file isn't left either."""
    (tmp_path / there).write_text("precious")
    with pytest.raises(ConfigurationError, match=f"{there}'.*no key is ever overwritten"):
        SigningKey.generate("log").save(tmp_path / "key")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(there, "precious")]


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A key isn't written where somebody else has pointed to."""
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="no key is ever overwritten"):
        SigningKey.generate("log").save(tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_cannot_be_written_is_not_left_in_part(tmp_path: Path) -> None:
    """A disk that takes only the first bytes keeps none of them; a directory that is not there is named."""
    resource = pytest.importorskip("resource", reason="limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ConfigurationError, match=f"can't be written: {os.strerror(errno.EFBIG)}") as raised:
            SigningKey.parse(PETER_PRIVATE).save(tmp_path / "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    _says_nothing_of(_secrets(PETER_PRIVATE), raised.value)
    with pytest.raises(ConfigurationError, match=r"none/key'.*No such file or directory"):
        SigningKey.generate("log").save(tmp_path / "none" / "key")


@pytest.mark.parametrize(
    ("load", "content", "remedy"),
    [
        (SigningKey.load, None, r"there is no such file: make it with `asgi-audit keygen --out .*/file`"),
        (SigningKey.load, b"", r"no private key as `asgi-audit keygen --out FILE` makes one"),
        (SigningKey.load, PETER.encode(), "the public half"),
        (SigningKey.load, b"\xff" + PETER_PRIVATE.encode(), "holds no signing key"),
        (SigningKey.load, PETER_PRIVATE.encode() + b"\xff", "holds no signing key"),
        (SigningKey.load, b"x" * 100_000, "holds no signing key"),
        (SigningKey.load, b"-----BEGIN PRIVATE KEY-----\n", "holds no signing key"),
        (
            VerifierKey.load,
            None,
            "there is no such file: give the FILE.pub that `asgi-audit keygen --out FILE` has made",
        ),
        (VerifierKey.load, b"\n\n", "no public key as `asgi-audit keygen --out FILE` makes one"),
        (VerifierKey.load, PETER_PRIVATE.encode(), "the private half, which only the sealer may have"),
        (VerifierKey.load, PETER.replace("c74", "c75").encode(), "its id is not"),
    ],
)
def test_a_file_without_the_key_is_named(tmp_path: Path, load: Load, content: bytes | None, remedy: str) -> None:
    """With what to do, and without what is in it."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=remedy) as raised:
        load(path)
    assert (raised.value.argument, raised.value.value) == ("path", str(path))
    _says_nothing_of(_secrets(PETER_PRIVATE), raised.value)


@pytest.mark.parametrize("load", [SigningKey.load, VerifierKey.load])
def test_what_cannot_be_read_is_said(tmp_path: Path, load: Load) -> None:
    """In the system's words."""
    with pytest.raises(ConfigurationError, match=f"can't be read: {os.strerror(errno.EISDIR)}"):
        load(tmp_path)


def test_without_cryptography_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the line that installs it."""
    monkeypatch.delitem(sys.modules, "asgi_audit.signing")
    for module in [each for each in sys.modules if each.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingDependencyError, match=r"^signing checkpoints needs .*pip install 'asgi-audit\[signing\]'"
    ):
        importlib.import_module("asgi_audit.signing")


def _keygen(out: Path, name: str | None = None) -> int:
    return keygen.run(argparse.Namespace(out=str(out), name=name))


@pytest.mark.usefixtures("_umask")
def test_keygen_makes_a_key_and_says_what_it_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files, the public half, what to do with each, and nothing private."""
    path = tmp_path / "seal.key"
    assert _keygen(path, "example.com/log") == 0
    key = SigningKey.load(path)
    assert key.name == "example.com/log"
    out, error = capsys.readouterr()
    assert error == ""
    assert out == (
        f"Made {path} and {path}.pub, the key and its public half:\n"
        f"{key.verifier}\n"
        f"Keep {path} where only the sealer can read it (asgi-audit seal URL --key {path} --anchor …); "
        f"give {path}.pub to whoever verifies.\n"
    )
    assert [secret for secret in _secrets(key.encode()) if secret in out] == []
    modes = {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in tmp_path.iterdir()}
    assert modes == {"seal.key": "0o600", "seal.key.pub": "0o644"}


def test_keygen_names_a_key_by_itself(tmp_path: Path) -> None:
    """No two have the same name."""
    names = set()
    for number in range(3):
        assert _keygen(tmp_path / f"{number}") == 0
        names.add(VerifierKey.load(tmp_path / f"{number}.pub").name)
    assert len(names) == 3
    assert all(len(name) == 19 and name.startswith("asgi-audit/") for name in names)


def test_keygen_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that was made stays; a name that can't be is refused before there is a file."""
    assert _keygen(tmp_path / "key") == 0
    made = (tmp_path / "key").read_text()
    capsys.readouterr()
    with pytest.raises(ConfigurationError, match="no key is ever overwritten"):
        _keygen(tmp_path / "key")
    with pytest.raises(ConfigurationError, match="the name of a key"):
        _keygen(tmp_path / "other", "")
    assert (tmp_path / "key").read_text() == made
    assert sorted(each.name for each in tmp_path.iterdir()) == ["key", "key.pub"]
    assert capsys.readouterr().out == ""
