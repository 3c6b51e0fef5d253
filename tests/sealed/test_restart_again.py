"""The same backup is restored again and again, as where one tries out how that is done."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from asgi_audit.integrity.report import Verdict
from tests.sealed.attacks.scratch import go_on
from tests.sealed.original import Original
from tests.sealed.scene import Scene

_THIRD = pytest.mark.xfail(strict=True, reason="the third restart does not know of the first one's origin")


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A log with a little of everything, and its backups."""
    home = tmp_path_factory.mktemp("again")
    with Original(f"sqlite:///{home}/audit.db", home, 100).copied(random.Random(7)) as scene:
        yield scene


@pytest.mark.parametrize("times", [1, 2, pytest.param(3, marks=_THIRD)])
def test_a_backup_may_be_restored_more_than_once(scene: Scene, times: int) -> None:
    """Each time the log is begun anew, and says so; that is no attack."""
    for _ in range(times):
        scene.restore(scene.sizes[2])
        asyncio.run(scene.log.sealer().restart("to see how it is done"))
        go_on(scene, 3)
        scene.seal()
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})
