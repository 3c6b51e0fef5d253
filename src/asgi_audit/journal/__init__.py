"""The queue between the request and the sinks: a protocol, a journal in files, and one in memory."""

from asgi_audit.journal.base import Batch, Journal, Listener, Progress, Queue
from asgi_audit.journal.memory import MemoryJournal

__all__ = ["Batch", "Journal", "Listener", "MemoryJournal", "Progress", "Queue"]
