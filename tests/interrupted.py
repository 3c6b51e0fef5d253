"""What a signal handler does: run in the middle of somebody's work, between any two bytecodes."""

import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any


def interrupt(work: Callable[[], object], module: ModuleType, bytecode: int, handler: Callable[[], object]) -> bool:
    """Do the work, and call the handler before the module's bytecode of this number; say whether there are so many."""
    left = bytecode

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != module.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == -1:
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return left < 0
