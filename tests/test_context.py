"""The verbs without a request: what they do to a draft, in a block of `acting_as`, and where there is neither."""

import contextvars
from collections.abc import Callable

import pytest

from asgi_audit import Actor, Outcome, Target, acting_as, annotate, current_actor, set_actor
from asgi_audit.context import outside
from asgi_audit.draft import Draft
from asgi_audit.notes import as_actor
from tests.lives.processes import run_script
from tests.notebook import said

# --- in a request


def test_set_actor_takes_an_id_with_keywords_or_an_actor(draft: Draft) -> None:
    """`set_actor("42", name="Ada")` is `set_actor(Actor("42", name="Ada"))`, and says how we know."""
    set_actor("42", type="user", name="Ada", on_behalf_of=Actor("7"))
    by_id = draft.actor
    set_actor(Actor("42", type="user", name="Ada", on_behalf_of=Actor("7")))
    assert by_id == draft.actor == current_actor()
    assert by_id == Actor("42", type="user", name="Ada", source="set_actor", on_behalf_of=Actor("7"))


def test_an_actor_that_brings_its_source_keeps_it(draft: Draft) -> None:
    """An application that knows better how it knows may say so."""
    set_actor(Actor("42", source="mtls"))
    assert draft.actor == Actor("42", source="mtls")


def test_ids_of_other_types_become_text() -> None:
    """A primary key is often an integer."""
    assert as_actor(42, "set_actor") == Actor("42", source="set_actor")  # type: ignore[arg-type]


def test_set_actor_none_takes_it_back(draft: Draft) -> None:
    """Nobody acts any more, as after a sign-out."""
    set_actor("42")
    set_actor(None)
    assert current_actor() is None


def test_annotate_says_everything_at_once(draft: Draft) -> None:
    """Each keyword has its place; one target or several."""
    annotate(
        action="user.rename",
        target=[Target("7"), Target("8")],
        reason="typo",
        tenant="acme",
        outcome="denied",
        data={"ticket": "OPS-1"},
    )
    assert said(draft.notes) == {
        "action": "user.rename",
        "targets": [Target("7"), Target("8")],
        "reason": "typo",
        "tenant": "acme",
        "outcome": Outcome.DENIED,
        "data": {"ticket": "OPS-1"},
        "changes": [],
    }


# --- in a block


def test_acting_as_names_the_actor_within_the_block() -> None:
    """Inside it somebody acts, after it nobody, also when it is left by an exception."""
    with acting_as("nightly-import", type="job"):
        assert current_actor() == Actor("nightly-import", type="job", source="acting_as")
    with pytest.raises(LookupError), acting_as("nightly-import"):
        raise LookupError
    assert current_actor() is None


def test_blocks_nest() -> None:
    """The inner actor acts until its block ends, then the outer one again."""
    with acting_as("outer"):
        with acting_as(Actor("inner", on_behalf_of=Actor("outer"))):
            assert current_actor() == Actor("inner", on_behalf_of=Actor("outer"), source="acting_as")
        assert current_actor() == Actor("outer", source="acting_as")


def test_set_actor_in_a_block_is_for_the_rest_of_the_block() -> None:
    """A consumer may learn who acts only from the message."""
    with acting_as("consumer"):
        set_actor("42")
        assert current_actor() == Actor("42", source="set_actor")
    assert current_actor() is None


def test_a_block_in_a_request_leaves_the_requests_actor_alone(draft: Draft) -> None:
    """The request is still its user's; what is annotated within the block is the request's."""
    set_actor("42")
    with acting_as("system"):
        set_actor("other")
        annotate(reason="cleanup")
        with acting_as("inner"):
            annotate(tenant="acme")
    assert draft.actor == Actor("42", source="set_actor")
    assert current_actor() == draft.actor
    assert (said(draft.notes)["reason"], said(draft.notes)["tenant"]) == ("cleanup", "acme")


def test_a_block_acts_in_a_copied_context() -> None:
    """Threads and tasks that get a copy of the context act in its name, and may outlive it."""
    with acting_as("job"):
        context = contextvars.copy_context()
    assert context.run(current_actor) == Actor("job", source="acting_as")


# --- outside


def test_outside_any_request_verbs_do_nothing_and_are_counted() -> None:
    """A verb in the wrong place must not break the place; `health()` counts what was said to nobody."""
    before = sum(outside.counts().values())
    set_actor("42")
    annotate(action="lost")
    with acting_as("job"):
        annotate(action="lost too")  # a block has no record
    assert current_actor() is None
    assert sum(outside.counts().values()) == before + 3


def test_outside_any_request_the_log_says_so_once() -> None:
    """One line names the verb and the remedy; a loop of such calls does not fill the log."""
    script = """
        from asgi_audit import set_actor
        for _ in range(3):
            set_actor("42")
    """
    (line,) = run_script(script).stderr.splitlines()
    assert "set_actor()" in line
    assert "trail.event()" in line


@pytest.mark.parametrize("verb", [lambda: set_actor("42", email="a@example.com"), lambda: annotate(actoin="x")])  # type: ignore[call-arg]
def test_a_misspelt_keyword_is_an_error_everywhere(verb: Callable[[], None]) -> None:
    """Outside a request as inside, so that the first test run finds it."""
    with pytest.raises(TypeError):
        verb()


def test_an_actor_named_after_the_end_is_not_inherited(draft: Draft) -> None:
    """Who is said to act in a task that a request left behind was said there."""
    draft.set_actor("1")
    assert not draft.actor_is_late
    draft.finish()
    draft.set_actor("2")
    assert draft.actor_is_late
