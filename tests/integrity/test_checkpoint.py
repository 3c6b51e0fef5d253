"""How the head of a tree is written, and what is none."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import MalformedNote, Note

# The example of C2SP's tlog-checkpoint.
SOFA = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""

_origins = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20), min_size=1, max_size=40)
_checkpoints = st.builds(Checkpoint, _origins, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))


def test_the_example_of_the_specification_is_read_and_printed() -> None:
    """A note is around it, by a key of the origin's name."""
    note = Note.parse(SOFA)
    checkpoint = Checkpoint.parse(note.text)
    assert checkpoint.origin == note.signatures[0].name == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert checkpoint.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert str(note._replace(text=checkpoint.text)) == SOFA


@given(_checkpoints)
def test_a_checkpoint_is_read_as_it_was_printed(checkpoint: Checkpoint) -> None:
    """Of any size, with any origin of one line."""
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@given(_checkpoints, st.lists(_origins, min_size=1, max_size=3))
def test_lines_that_others_add_are_passed_over(checkpoint: Checkpoint, lines: list[str]) -> None:
    """The specification calls them opaque; an empty one is none."""
    assert Checkpoint.parse(checkpoint.text + "".join(f"{line}\n" for line in lines)) == checkpoint
    for text in (f"{checkpoint.text}\n", f"{checkpoint.text}\n{lines[0]}\n", f"{checkpoint.text}{lines[0]}\n\n"):
        with pytest.raises(MalformedNote, match="no empty line"):
            Checkpoint.parse(text)


_ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "size",
    [
        "",
        "00",
        "01",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1_0",
        "1e3",
        "0x1",
        "1.0",
        "٣",
        "1٣",
        "²",
        "1\r",
        str(2**63),
        "9" * 19,
        "1" * 9999,
    ],
)
def test_a_size_is_written_in_one_way(size: str) -> None:
    """ASCII digits without a leading zero, of a number that a database holds."""
    assert Checkpoint.parse(f"log\n0\n{_ROOT}\n").size == 0
    assert Checkpoint.parse(f"log\n{2**63 - 1}\n{_ROOT}\n").size == 2**63 - 1
    with pytest.raises(MalformedNote) as raised:
        Checkpoint.parse(f"log\n{size}\n{_ROOT}\n")
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    "root",
    [
        "",
        "AA==",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        _ROOT.replace("A=", "B="),
        _ROOT.removesuffix("="),
        f"{_ROOT}=",
        f" {_ROOT}",
        f"{_ROOT} ",
        _ROOT.replace("A", "-", 1),
        _ROOT.replace("A", "é", 1),
        bytes(32).hex(),
    ],
)
def test_a_root_is_written_in_one_way(root: str) -> None:
    """32 bytes in base64, without bits that are no byte's."""
    with pytest.raises(MalformedNote):
        Checkpoint.parse(f"log\n0\n{root}\n")


@pytest.mark.parametrize(
    "text",
    ["", "\n", "log", "log\n0\n", f"\n0\n{_ROOT}\n", f"log\n0\n{_ROOT}", f"log\n\n{_ROOT}\n", f"l\0g\n0\n{_ROOT}\n"],
)
def test_every_line_is_there_and_ends(text: str) -> None:
    """An origin, a size, a root, each with its newline."""
    with pytest.raises(MalformedNote):
        Checkpoint.parse(text)


@given(st.one_of(st.text(st.characters()), _checkpoints.map(lambda each: each.text)), st.data())
def test_anything_else_is_malformed(text: str, data: st.DataObject) -> None:
    """Nothing else is raised, in one short line; what is read is printed as it was, but for added lines."""
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(st.sampled_from("\n 0A=é\t\ud800"), max_size=2)) + text[at + 1 :]
    try:
        checkpoint = Checkpoint.parse(text)
    except MalformedNote as error:
        printed, message = text, str(error)
    else:
        printed, message = checkpoint.text, ""
    assert text.startswith(printed)
    assert message.isprintable()
    assert len(message) < 300
