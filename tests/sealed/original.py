"""One log that is built once, and attacked in copies: the database, its older backups, and the anchor's file."""

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asgi_audit.signing import SigningKey
from tests.sealed.hand import Driver, PostgresHand, SQLiteHand
from tests.sealed.log import Log, build
from tests.sealed.scene import ORIGIN, Scene


class _Kept(Log):
    """Has a backup made after each pass of the sealer; `backups` are their URLs, by how many records were sealed."""

    backups: dict[int, str]
    driver: Driver

    async def seal(self) -> int:
        sealed = await super().seal()
        size = sealed + max(self.backups, default=0)
        self.backups[size] = await self.driver.copy(self.url, f"backup{size}")
        return sealed


class Original:
    """Builds the log of about so many records; `copied` hands out a copy of it."""

    def __init__(self, url: str, home: Path, records: int) -> None:
        self._url = url
        self._home = home
        self._secret = os.urandom(32)
        self._key = SigningKey.generate(ORIGIN)
        self._driver: Driver = SQLiteHand if url.startswith("sqlite") else PostgresHand
        self._backups: dict[int, str] = {}
        log = _Kept(url, home, mac=self._secret, key=self._key)
        log.backups, log.driver = self._backups, self._driver
        asyncio.run(build(log, random.Random(0), records))
        self._anchor = log.anchor

    @contextmanager
    def copied(self, chance: random.Random) -> Iterator[Scene]:
        """A copy to be spoilt, with an anchor's file of its own."""
        url = asyncio.run(self._driver.copy(self._url, os.urandom(4).hex()))
        mine = Log(url, self._home, mac=self._secret, key=self._key)
        shutil.copy(self._anchor, mine.anchor)
        try:
            yield Scene(mine, self._driver, chance, self._backups)
        finally:
            asyncio.run(self._driver.drop(mine.url))
            mine.anchor.unlink()

    def drop(self) -> None:
        """Remove the backups."""
        for url in self._backups.values():
            asyncio.run(self._driver.drop(url))
