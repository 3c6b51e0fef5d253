from pathlib import Path

import pytest

from asgi_audit.journal.filesystem import remark

MOUNTS = """\
rootfs / rootfs rw 0 0
overlay / overlay rw 0 0
/dev/sda1 /data ext4 rw 0 0
tmpfs /data/volatile\\040place tmpfs rw 0 0
server:/share /mnt nfs4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/srv/audit", "container"),
        ("/data/audit", None),
        ("/data/volatile place/audit", "memory"),
        ("/mnt/audit", "network"),
    ],
)
def test_the_innermost_mount_decides(path: str, word: str | None, tmp_path: Path) -> None:
    """Of two on one place the later one; blanks in names are as the kernel writes them."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    remarks = remark(Path(path), mounts)
    assert len(remarks) == (word is not None)
    assert all(path in each and str(word) in each for each in remarks)


def test_nothing_is_said_where_nobody_tells(tmp_path: Path) -> None:
    """As on a system without such a list."""
    assert remark(tmp_path, tmp_path / "missing") == []
