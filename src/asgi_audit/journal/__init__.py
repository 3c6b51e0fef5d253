"""The queue between the request and the sinks: a protocol, and a journal in memory."""

from asgi_audit.journal.base import Batch, Journal, Progress
from asgi_audit.journal.memory import MemoryJournal

__all__ = ["Batch", "Journal", "MemoryJournal", "Progress"]
