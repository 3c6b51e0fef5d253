"""The verbs without a request: what they do to a draft, in a block of `acting_as`, and where there is neither."""

import contextvars
import copy
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import Actor, Change, Outcome, Target, acting_as, annotate, current_actor, set_actor
from asgi_audit.context import current, outside
from asgi_audit.draft import Draft, Notes, as_actor
from tests.lives.processes import in_child, run_script


class Notebook:
    """A recorder that only remembers."""

    def __init__(self) -> None:
        self.ids = 0
        self.lates: list[Notes] = []

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def late(self, draft: Draft, notes: Notes) -> None:
        self.lates.append(notes)

    def actor_of(self, draft: Draft) -> Actor | None:
        return draft.actor


@pytest.fixture
def notebook() -> Notebook:
    """Where the draft's requests to its trail end up."""
    return Notebook()


@pytest.fixture
def draft(notebook: Notebook) -> Iterator[Draft]:
    """A draft whose request runs here."""
    draft = Draft(notebook, {"type": "http"})
    token = current.set(draft)
    yield draft
    current.reset(token)


def said(notes: Notes | None) -> dict[str, Any]:
    """All that notes say."""
    assert notes is not None
    return {name: getattr(notes, name) for name in Notes.__slots__}


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


words = st.none() | st.text(min_size=1, max_size=3)
targets = st.none() | st.builds(Target, st.text(max_size=3))
annotations = st.fixed_dictionaries(
    {},
    optional={
        "action": words,
        "target": targets | st.lists(st.builds(Target, st.text(max_size=3)), max_size=3),
        "reason": words,
        "tenant": words,
        "outcome": st.none() | st.sampled_from(Outcome),
        "data": st.none() | st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=2),
    },
)


@given(st.lists(annotations, min_size=1, max_size=5))
def test_annotations_add_up(calls: list[Any]) -> None:
    """Of action, reason, tenant and outcome the last word counts; targets are collected, data is united."""
    draft = Draft(Notebook(), {})
    for call in calls:
        draft.annotate(**call)
    expected: dict[str, Any] = dict.fromkeys(["action", "reason", "tenant", "outcome"])
    data: dict[str, int] = {}
    all_targets: list[Target] = []
    for call in calls:
        expected |= {name: call[name] for name in expected if call.get(name) is not None}
        data |= call.get("data") or {}
        target = call.get("target")
        all_targets += [] if target is None else [target] if isinstance(target, Target) else target
    assert said(draft.notes) == {**expected, "targets": all_targets, "data": data, "changes": []}


def test_what_was_given_is_copied(draft: Draft) -> None:
    """Whoever changes a mapping or list after handing it over does not change the record."""
    data, resources = {"a": 1}, [Target("1")]
    annotate(data=data, target=resources)
    data["a"] = 2
    resources.clear()
    assert said(draft.notes)["data"] == {"a": 1}
    assert said(draft.notes)["targets"] == [Target("1")]


def test_a_slip_in_an_annotation_is_kept_as_well_as_it_can_be(draft: Draft) -> None:
    """Who forgets the `Target`, or gives data that has no names, loses neither the request nor its record."""
    annotate(target="7", data=["a"])  # type: ignore[arg-type]
    annotate(target=("8", Target("9")))  # type: ignore[arg-type]
    assert said(draft.notes)["targets"] == [Target("7"), Target("8"), Target("9")]
    assert said(draft.notes)["data"] == {"data": ["a"]}


def test_changes_of_rows_are_collected(draft: Draft) -> None:
    """ORM capture adds what became of rows, beside what the application says."""
    first, second = Change(operation="insert", type="user"), Change(operation="delete", type="user")
    draft.change(first)
    annotate(reason="merge")
    draft.change(second)
    assert said(draft.notes)["changes"] == [first, second]
    assert said(draft.notes)["reason"] == "merge"


def test_a_note_after_the_end_goes_to_the_trail(draft: Draft, notebook: Notebook) -> None:
    """Once the record is made it is immutable: later notes are handed on as they are, each for itself."""
    annotate(reason="before")
    draft.finish()
    annotate(reason="after")
    draft.change(Change(operation="insert", type="user"))
    assert said(draft.notes)["reason"] == "before"
    assert [(notes.reason, len(notes.changes)) for notes in notebook.lates] == [("after", 0), (None, 1)]


def test_a_draft_has_one_id(draft: Draft) -> None:
    """Whoever asks first, events or the record itself: all name the same."""
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: draft.reserve_id(), range(64))) == {"id-1"}


def test_a_copied_scope_leads_to_the_same_draft(draft: Draft) -> None:
    """Layers copy the scope, some deeply; a copy of a draft would collect notes that no record gets."""
    scope = {"asgi_audit": draft, "state": {}}
    assert copy.copy(draft) is draft
    assert copy.deepcopy(scope)["asgi_audit"] is draft


def test_a_released_draft_holds_nothing_of_the_request(draft: Draft) -> None:
    """A task that outlives its request keeps the draft, not the scope, the exception and the bodies."""

    class Weak(Exception):  # noqa: N818 - built-in exceptions can't be referred to weakly
        pass

    error = draft.error = Weak()
    kept = weakref.ref(error)
    del error
    draft.release()
    assert kept() is None
    assert draft.scope is None


def test_a_draft_shows_only_whether_it_runs(draft: Draft) -> None:
    """Scopes are logged; a draft must not add to what such a line gives away."""
    set_actor("secret")
    assert repr(draft) == "<Draft, running>"
    draft.finish()
    assert repr(draft) == "<Draft, finished>"


def test_a_note_is_in_the_record_or_late_never_lost_never_twice() -> None:
    """Threads annotate while the request ends: each note is found exactly once, on one side of the end."""
    for _ in range(20):
        notebook = Notebook()
        draft = Draft(notebook, {})
        start = threading.Barrier(5)

        def annotate_often(name: str, draft: Draft = draft, start: threading.Barrier = start) -> None:
            start.wait()
            for number in range(50):
                draft.annotate(target=Target(f"{name}{number}"))

        def end(draft: Draft = draft, start: threading.Barrier = start) -> list[Target]:
            start.wait()
            draft.finish()
            return list(draft.notes.targets) if draft.notes else []

        with ThreadPoolExecutor(5) as pool:
            ending = pool.submit(end)
            list(pool.map(annotate_often, "abcd"))
        recorded = [target.id for target in ending.result()]
        late = [target.id for notes in notebook.lates for target in notes.targets]
        assert sorted(recorded + late) == sorted(f"{name}{number}" for name in "abcd" for number in range(50))


def test_a_fork_in_the_middle_of_an_annotation_blocks_nobody(draft: Draft) -> None:
    """The child of a fork annotates, though a thread of the parent was just annotating."""
    merging, release = threading.Event(), threading.Event()

    class SlowNotes(Notes):
        def merge(self, later: Notes) -> None:
            merging.set()
            release.wait()

    draft.notes = SlowNotes()
    thread = threading.Thread(target=draft.annotate, kwargs={"reason": "slow"})
    thread.start()
    merging.wait()

    def child() -> str:
        other = Draft(Notebook(), {})
        other.annotate(reason="quick")
        return str(said(other.notes)["reason"])

    try:
        assert in_child(child) == "quick"
    finally:
        release.set()
        thread.join()


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
