"""Declaring what an endpoint does: a decorator that names the action, and the resource acted on."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from asgi_audit.context import Acting, current, outside
from asgi_audit.draft import Draft
from asgi_audit.errors import ConfigurationError
from asgi_audit.notes import Notes
from asgi_audit.record import Target

Targets: TypeAlias = Callable[..., Target | Sequence[Target] | None]
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])

#: The attribute of an audited function that holds its action.
MARK = "__audited__"


def audited(action: str, *, target: Targets | None = None) -> Callable[[_Endpoint], _Endpoint]:
    """Name what an endpoint does, synchronous or not: `@audited("invoice.approve", target=invoice_of)`.

    `target` gets those of the endpoint's arguments that it names, and returns what is acted on. The action is on record
    from the call on, also if the endpoint raises. The signature stays, as frameworks read it: put this beneath the
    framework's own decorator. Outside a request, and where the context does not reach, it says nothing.
    """
    if type(action) is not str or not action:
        raise ConfigurationError("action", action, 'name what is done, as in @audited("invoice.approve")')
    if target is not None and not _is_plain(target):
        raise ConfigurationError("target", target, "give a plain function of the endpoint's arguments, or leave it out")
    wanted = set() if target is None else _parameters(target)

    def decorate(endpoint: _Endpoint) -> _Endpoint:
        if isinstance(endpoint, type) or not callable(endpoint):
            raise ConfigurationError("endpoint", endpoint, "decorate a function, or the method of a class")
        signature = inspect.signature(endpoint)
        missing = sorted(wanted - set(signature.parameters))
        if missing:
            raise ConfigurationError("target", target, f"{endpoint.__name__}() has no parameter {', '.join(missing)}")

        def tell(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            here = current.get()
            draft = here.draft if isinstance(here, Acting) else here
            if isinstance(draft, Draft):
                draft.note(Notes(action=action))
                if target is not None:
                    _note_target(draft, target, wanted, signature, args, kwargs)

        if inspect.iscoroutinefunction(endpoint):

            @functools.wraps(endpoint)
            async def asynchronous(*args: Any, **kwargs: Any) -> Any:
                tell(args, kwargs)
                return await endpoint(*args, **kwargs)

            wrapper: Callable[..., Any] = asynchronous
        else:

            @functools.wraps(endpoint)
            def synchronous(*args: Any, **kwargs: Any) -> Any:
                tell(args, kwargs)
                return endpoint(*args, **kwargs)

            wrapper = synchronous
        setattr(wrapper, MARK, action)
        return cast("_Endpoint", wrapper)

    return decorate


def _parameters(target: Targets) -> set[str]:
    """The names of the arguments that it wants."""
    parameters = inspect.signature(target).parameters.values()
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    odd = [each.name for each in parameters if each.kind not in named]
    if odd:
        raise ConfigurationError("target", target, f"name the endpoint's parameters that it needs, instead of {odd[0]}")
    return {each.name for each in parameters if each.default is inspect.Parameter.empty}


def _note_target(
    draft: Draft,
    target: Targets,
    wanted: set[str],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Add what is acted on. Whatever fails here is not the request's failure."""
    try:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        draft.note(Notes(target=target(**{name: bound.arguments[name] for name in wanted})))
    except Exception as error:  # noqa: BLE001 - the application's function, which may do anything
        outside.note("the target of an audited endpoint could not be told", error)


def _is_plain(target: object) -> bool:
    return callable(target) and not inspect.iscoroutinefunction(target)
