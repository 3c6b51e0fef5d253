"""Before a fork the connection is closed; see tests/lives/test_fork.py for what would happen otherwise."""

import asyncio
import os
import threading

from asgi_audit.sqlalchemy.intermission import Intermission
from tests.lives.processes import fork


class Connection:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.works = Intermission(self.close)

    async def close(self) -> None:
        self.closed += 1


def fork_and_wait() -> None:
    """Fork a child that ends at once."""
    if (pid := fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def test_a_fork_waits_for_the_work_under_way_and_work_for_the_fork() -> None:
    """The connection is closed between two works, in its own loop, once per fork."""
    connection = Connection()
    seen: list[int] = []

    async def main() -> None:
        async with connection.works:
            forking = asyncio.create_task(asyncio.to_thread(fork_and_wait))
            while len(asyncio.all_tasks()) < 3:  # until the fork's own task is there, to wait for us
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(connection.closed)
        async with connection.works:
            seen.append(connection.closed)
        await forking

    asyncio.run(main())
    assert seen == [0, 1]


def test_nothing_is_closed_that_was_never_open() -> None:
    """Before the first work, and after its loop has ended, a fork waits for nothing."""
    connection = Connection()
    fork_and_wait()

    async def main() -> None:
        async with connection.works:
            pass

    asyncio.run(main())
    fork_and_wait()
    assert connection.closed == 0


def test_a_fork_by_the_work_itself_waits_for_nothing() -> None:
    """A sink's own thread can't wait for itself."""
    connection = Connection()

    async def main() -> None:
        async with connection.works:
            await asyncio.sleep(0)
            fork_and_wait()

    asyncio.run(main())
    assert connection.closed == 0


def test_several_threads_may_fork_at_once() -> None:
    """Work goes on when the last of them has."""
    connection = Connection()
    over = threading.Event()

    async def main() -> None:
        async with connection.works:
            pass
        await asyncio.gather(*(asyncio.to_thread(fork_and_wait) for _ in range(3)))
        async with connection.works:
            over.set()

    asyncio.run(main())
    assert over.is_set()
    assert connection.closed == 3


def test_a_loop_that_is_closed_at_this_very_moment_is_nothing_to_wait_for() -> None:
    """Between the look at it and the call into it: the fork goes on, and nothing is left un-awaited."""

    class Loop(asyncio.SelectorEventLoop):
        looked = False

        def is_closed(self) -> bool:
            if not self.is_running() and not self.looked:
                self.looked = True
                self.close()
                return False
            return super().is_closed()

    connection = Connection()
    loop = Loop()

    async def main() -> None:
        async with connection.works:
            pass

    loop.looked = True
    loop.run_until_complete(main())
    loop.looked = False
    forking = threading.Thread(target=fork_and_wait)
    forking.start()
    forking.join()
    assert connection.closed == 0
    assert loop.is_closed()
