"""A sealer that is killed, by SIGKILL, when it has got so far: to a statement, a commit, a signature, an anchor."""

import asyncio
import os
import signal
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from asgi_audit.anchors import FileAnchor
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer
from tests.lives.processes import fork
from tests.sealed.log import Log


class Steps:
    """Counts, and kills at the given one."""

    def __init__(self, last: int) -> None:
        self._left = last

    def step(self, *_: Any) -> None:
        """One of them."""
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


class SteppingKey:
    """A key, before and after it signs."""

    def __init__(self, key: SigningKey, steps: Steps) -> None:
        self.name = key.name
        self.key_id = key.key_id
        self._key = key
        self._steps = steps

    def sign(self, text: bytes) -> bytes:
        self._steps.step()
        signature = self._key.sign(text)
        self._steps.step()
        return signature


class SteppingAnchor(FileAnchor):
    """An anchor, before and after it is asked or told."""

    def __init__(self, log: Log, steps: Steps) -> None:
        super().__init__(log.anchor)
        self._steps = steps

    async def publish(self, checkpoint: str) -> None:
        self._steps.step()
        await super().publish(checkpoint)
        self._steps.step()

    async def newest(self, log: str) -> str | None:
        self._steps.step()
        found = await super().newest(log)
        self._steps.step()
        return found


def killed_at(step: int, log: Log, work: Callable[[Sealer], Coroutine[Any, Any, object]]) -> bool:
    """Have a child do the work of a sealer; whether it was killed, and has not come to the end before that step."""
    if (pid := fork()) == 0:
        status = 1
        try:
            steps = Steps(step)
            for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
                event.listen(Engine, moment, steps.step)
            keys = [SteppingKey(key, steps) for key in log.keys]
            asyncio.run(work(Sealer(log.url, keys=keys, anchors=[SteppingAnchor(log, steps)])))
            status = 0
        except BaseException:  # noqa: BLE001 - the parent's tests must not run on in the child
            traceback.print_exc()
        finally:
            os._exit(status)
    _, how = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(how) in {0, -signal.SIGKILL}
    return os.WIFSIGNALED(how)
