"""What is to be done when this process forks, and when it ends."""

import atexit
import concurrent.futures.thread  # noqa: F401 - see the end
import logging  # noqa: F401 - see the end
import os
import weakref
from collections.abc import Callable
from contextlib import suppress

_at_fork: list["weakref.WeakMethod[Callable[[], None]]"] = []
_before_fork: list["weakref.WeakMethod[Callable[[], None]]"] = []
_after_fork: list["weakref.WeakMethod[Callable[[], None]]"] = []
_at_exit: list["weakref.WeakMethod[Callable[[], None]]"] = []


def on_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, before anything else runs there, as long as its object lives."""
    _remember(_at_fork, method)


def around_fork(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call bound methods in the process that forks, just before and just after, as long as their object lives."""
    _remember(_before_fork, before)
    _remember(_after_fork, after)


def on_exit(method: Callable[[], None]) -> None:
    """Call a bound method when the interpreter ends, as long as its object lives."""
    _remember(_at_exit, method)


def _remember(methods: list["weakref.WeakMethod[Callable[[], None]]"], method: Callable[[], None]) -> None:
    for dead in [each for each in methods if each() is None]:
        with suppress(ValueError):  # another thread has just removed it
            methods.remove(dead)
    methods.append(weakref.WeakMethod(method))


def _call(methods: list["weakref.WeakMethod[Callable[[], None]]"]) -> None:
    for reference in list(methods):
        if (method := reference()) is not None:
            method()


def _end() -> None:
    _call(_at_exit)
    # Objects that die with their modules must not call back into a `weakref` that has died before them.
    for methods in (_at_exit, _at_fork, _before_fork, _after_fork):
        methods.clear()


atexit.register(_end)
# What is registered last is called first before a fork. Logging and executors take their locks there, for which others
# may wait that we wait for: so both were imported above, and have registered before us.
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows, which does not fork
    os.register_at_fork(
        before=lambda: _call(_before_fork),
        after_in_parent=lambda: _call(_after_fork),
        after_in_child=lambda: _call(_at_fork),
    )
