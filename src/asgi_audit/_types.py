"""The ASGI vocabulary, loose on purpose.

`asgiref.typing` describes the messages of the specification, but neither every extension (zerocopysend, early hints)
nor what applications really send; a layer that must pass everything on can promise no more than "a mapping".
Applications are welcome however their frameworks type them: each has another way.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from asgiref.typing import ASGI3Application

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
AnyASGIApp: TypeAlias = ASGI3Application | Callable[[Any, Any, Any], Awaitable[None]]
