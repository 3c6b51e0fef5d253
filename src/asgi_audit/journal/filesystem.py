"""What kind of file system a journal stands on, and what that means for it."""

from pathlib import Path
from typing import Final

_REMARKS: Final = {
    "tmpfs": "memory: it is gone after a restart of the machine or the container",
    "ramfs": "memory: it is gone after a restart of the machine or the container",
    "overlay": "a container's own layer: it is gone with the container; use a volume",
    "nfs": "a network: another host may take a living writer for a dead one; use a local disk",
    "nfs4": "a network: another host may take a living writer for a dead one; use a local disk",
    "cifs": "a network: another host may take a living writer for a dead one; use a local disk",
}
_MOUNTS: Final = Path("/proc/self/mounts")  # Linux; elsewhere nothing is said


def remark(path: Path, mounts: Path = _MOUNTS) -> list[str]:
    """What to know of the place, if anything."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    place = Path(path).resolve()
    # Of two on the same place, the later one lies on top.
    around = [
        (len(point.parts), number, kind)
        for number, (point, kind) in enumerate(map(_mount, lines))
        if place.is_relative_to(point)
    ]
    kind = max(around, default=(0, 0, ""))[2]
    return [f"the journal {path} stands on {_REMARKS[kind]}"] if kind in _REMARKS else []


def _mount(line: str) -> tuple[Path, str]:
    _, point, kind, *_ = line.split(" ")
    return Path(point.replace("\\040", " ")), kind
