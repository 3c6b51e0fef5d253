"""What is called in a forked child and at the end of the process: see test_processes.py for both in real ones."""

import os
from collections.abc import Callable
from weakref import WeakMethod

import pytest

from asgi_audit import process
from asgi_audit.process import _call, _remember, on_exit, on_fork
from tests.lives.processes import in_child, run_script


class Told:
    """Remembers in which process it was called."""

    def __init__(self) -> None:
        self.by: list[int] = []

    def hear(self) -> None:
        self.by.append(os.getpid())


def test_a_forked_child_calls_what_lives() -> None:
    """In the child, and there alone, every remembered method is called once."""
    told, gone = Told(), Told()
    on_fork(told.hear)
    on_fork(gone.hear)
    del gone
    pid, by = in_child(lambda: (os.getpid(), told.by))
    assert by == [pid]
    assert told.by == []


def test_the_end_of_the_interpreter_calls_what_lives() -> None:
    """Methods of objects that nobody else holds are not kept alive for it."""
    script = """
        from asgi_audit.process import on_exit

        class Told:
            def __init__(self, name):
                self.name = name
            def hear(self):
                print(self.name)

        told = Told("told")
        on_exit(told.hear)
        on_exit(Told("gone").hear)
    """
    assert run_script(script).stdout == "told\n"


def test_the_list_does_not_grow_with_objects_that_are_gone() -> None:
    """A program that makes many trails keeps none of them, nor references to none."""
    methods: list[WeakMethod[Callable[[], None]]] = []
    told = Told()
    for _ in range(100):
        _remember(methods, Told().hear)
    _remember(methods, told.hear)
    assert len(methods) == 1
    last = Told()
    _remember(methods, last.hear)
    del last
    _call(methods)
    assert told.by == [os.getpid()]


def test_the_end_calls_each_once_and_forgets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules die one after the other: nothing may be called among the ruins."""
    for name in ("_at_exit", "_at_fork", "_before_fork", "_after_fork"):
        monkeypatch.setattr(process, name, [])
    told = Told()
    on_exit(told.hear)
    process._end()
    process._end()
    assert told.by == [os.getpid()]


def test_at_exit_is_remembered_apart() -> None:
    """What waits for the end of the interpreter does not hear of forks."""
    told = Told()
    on_exit(told.hear)
    assert in_child(lambda: told.by) == []
