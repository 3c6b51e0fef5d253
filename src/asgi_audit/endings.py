"""How things end: what a status means, and what is a cancellation."""

from asgi_audit.record import Outcome

_DENIED = frozenset({401, 403})
# An enumeration's members take long to look up.
_SUCCESS, _FAILED = Outcome.SUCCESS, Outcome.FAILED
_EXITS = (KeyboardInterrupt, SystemExit)


def ending_of(status: int | None) -> Outcome:
    """The outcome of a response that was sent whole."""
    if status is None:
        return Outcome.NO_RESPONSE
    if status in _DENIED:
        return Outcome.DENIED
    return _SUCCESS if status < 400 else _FAILED


def is_cancellation(error: BaseException) -> bool:
    """Whether the work was called off, in asyncio, in trio, or by dropping the coroutine, and did not fail."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    return not isinstance(error, (Exception, *_EXITS))


def raised(error: BaseException) -> Outcome:
    """The outcome of work that an exception has ended."""
    return Outcome.CANCELLED if is_cancellation(error) else Outcome.ERROR
