import pytest

from asgi_audit.cli.counting import some


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 records"), (1, "1 record"), (2, "2 records"), (1_204_000, "1,204,000 records")]
)
def test_one_is_a_record_and_others_are_records(count: int, words: str) -> None:
    """Long numbers have commas."""
    assert some(count, "record") == words
