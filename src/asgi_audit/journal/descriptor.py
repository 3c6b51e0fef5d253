"""An open file that closes itself when nobody uses it any more."""

import os


class Descriptor:
    """A file descriptor. Who still reads a file that others have let go of, or deleted, finishes first."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        """Close it now. In a forked child this takes nothing from the parent."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()
