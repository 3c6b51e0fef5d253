"""Runs the script, and the recovery behind it, each in a process of its own: forks them off, to import but once.

It reads lines of JSON, `{"job": "play" | "recover", "home": directory, "thread": name | null, …}`, one at a time, and
answers with such lines: `{"attach": id}` when the named thread awaits its tracer, and `{"ended": wait status}`.
"""

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from asgi_audit.journal.durability import Fsync
from asgi_audit.sqlalchemy import SQLAlchemySink  # noqa: F401 - to import it but once
from tests.syscalls.diary import Diary
from tests.syscalls.script import play, trail_in
from tests.syscalls.verdict import remnants

#: What `getppid` answers once a tracer is there that says so.
TRACED = 424_242
_PATIENCE = 20.0
_BLINK = 0.001


def main() -> None:
    """Do one job after the other."""
    for line in sys.stdin:
        job = json.loads(line)
        if (pid := os.fork()) == 0:
            try:
                _do(**job)
            except BaseException:  # noqa: BLE001 - this process must not read the parent's next job
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        _say(ended=status)


def _do(job: str, home: str, thread: str | None = None, fsync: Fsync = "interval") -> None:
    if job == "recover":
        _recover(Path(home))
        return
    waiting = [thread]
    run = threading.Thread.run
    diary = Diary(Path(home) / "threads")

    def begin(name: str) -> None:
        """Have the first thread of the wanted name wait for its tracer before it does anything."""
        diary.note(threading.get_native_id(), name)
        if name in waiting:
            waiting.clear()
            _await_tracer()

    def begin_and_run(self: threading.Thread) -> None:
        begin(self.name)
        run(self)

    threading.Thread.run = begin_and_run  # type: ignore[method-assign]
    begin(threading.current_thread().name)
    play(Path(home), fsync)


def _await_tracer() -> None:
    _say(attach=threading.get_native_id())
    # There is no event for it: the tracer tells by what it makes of a call.
    while os.getppid() != TRACED:
        time.sleep(_BLINK)


def _recover(home: Path) -> None:
    """Start anew where another one has ended, until nothing is left of that."""
    trail = trail_in(home)
    own = trail.stats().writer
    trail.open()
    until = time.monotonic() + _PATIENCE
    # A directory disappears without an event.
    while any(sink.backlog for sink in trail.stats().sinks) or [own] != [path.name for path in remnants(home)]:
        if time.monotonic() > until:
            raise TimeoutError(f"still there: {remnants(home)}; {trail.health()}")
        time.sleep(_BLINK)
    trail.close()


def _say(**what: Any) -> None:
    os.writev(1, [json.dumps(what).encode() + b"\n"])


if __name__ == "__main__":
    main()
