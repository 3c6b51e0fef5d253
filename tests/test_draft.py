"""Drafts: how what is said adds up, until the end and after it, from several threads, through copies and forks."""

import copy
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import Change, Outcome, Target, annotate, set_actor
from asgi_audit.draft import Draft
from asgi_audit.notes import Notes
from tests.lives.processes import in_child
from tests.notebook import Notebook, said

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
