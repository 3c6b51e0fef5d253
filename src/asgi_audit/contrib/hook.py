"""What an adapter does in its framework's hooks: it tells the draft where more is known. No request fails for it."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

from asgi_audit.context import outside
from asgi_audit.draft import KEY, Draft, Insight

_P = ParamSpec("_P")


def passive(hook: Callable[_P, None]) -> Callable[_P, None]:
    """A hook whose failure is counted, and not the request's."""

    @functools.wraps(hook)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            hook(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - another framework's objects, which may do anything when asked
            outside.note("an adapter's hook failed", error)

    return guarded


def tell(scope: Mapping[str, Any], insight: Insight) -> None:
    """Let the draft ask the framework, if the request has one."""
    if (draft := _draft_of(scope)) is not None:
        draft.insight = insight


def fail(scope: Mapping[str, Any], error: BaseException) -> None:
    """Tell the draft of an exception that the framework answers itself, if the request has one."""
    if (draft := _draft_of(scope)) is not None:
        draft.fail(error)


def _draft_of(scope: Mapping[str, Any]) -> Draft | None:
    draft = scope.get(KEY)
    return draft if isinstance(draft, Draft) else None
