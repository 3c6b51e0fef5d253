"""The queue between the request and the sinks: a protocol, a journal in files, and one in memory."""

from asgi_audit.journal.base import Batch, Journal, Listener, Progress, Queue
from asgi_audit.journal.choice import AnyJournal, choose
from asgi_audit.journal.file import FileJournal
from asgi_audit.journal.memory import MemoryJournal
from asgi_audit.journal.place import beside, state_directory

__all__ = [
    "AnyJournal",
    "Batch",
    "FileJournal",
    "Journal",
    "Listener",
    "MemoryJournal",
    "Progress",
    "Queue",
    "beside",
    "choose",
    "state_directory",
]
