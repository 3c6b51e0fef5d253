"""The audit trail for ASGI applications: who did what to which resource, when, from where, and how it ended."""

from asgi_audit.apikey import api_key
from asgi_audit.audited import audited
from asgi_audit.context import acting_as, annotate, current_actor, set_actor
from asgi_audit.delivery import Delivery
from asgi_audit.errors import AuditError, ConfigurationError, FlushTimeout, RecordRejected
from asgi_audit.journal import FileJournal, MemoryJournal
from asgi_audit.middleware import AuditMiddleware
from asgi_audit.policy import Policy
from asgi_audit.record import Actor, Change, Kind, Outcome, Record, Target
from asgi_audit.redaction import Redactor
from asgi_audit.rule import Level, Rule
from asgi_audit.sinks import JSONLinesSink, LoggingSink, Sink
from asgi_audit.trail import AuditTrail

__all__ = [
    "Actor",
    "AuditError",
    "AuditMiddleware",
    "AuditTrail",
    "Change",
    "ConfigurationError",
    "Delivery",
    "FileJournal",
    "FlushTimeout",
    "JSONLinesSink",
    "Kind",
    "Level",
    "LoggingSink",
    "MemoryJournal",
    "Outcome",
    "Policy",
    "Record",
    "RecordRejected",
    "Redactor",
    "Rule",
    "Sink",
    "Target",
    "acting_as",
    "annotate",
    "api_key",
    "audited",
    "current_actor",
    "set_actor",
]
