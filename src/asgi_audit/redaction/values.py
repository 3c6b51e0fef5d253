"""Python values as an application hands them over, made safe for JSON: redacted, escaped, bounded.

No method of the value's own class is called for its text: a `__repr__` may raise or tell secrets. What is iterated is
iterated inside a guard.
"""

import dataclasses
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, KeysView, Mapping, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from asgi_audit.escape import cut_mark, escape
from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.plaintext import PlainText
from asgi_audit.redaction.pseudonyms import REDACTED, Mask

DEEPEST: Final = 32
_MOST_NODES: Final = 2048
_MOST_TEXT: Final = 65536
_LONGEST_KEY: Final = 256
_EXACT: Final = 2**53 - 1  # what every reader of JSON reads exactly
_DECIMAL_BITS: Final = 2048  # below the least limit that Python can be set to for converting integers
_NO_CARD: Final = 10**14  # shorter numbers are no payment cards
_TOO_DEEP: Final = "\\[too deep]"  # as with cuts, escaped text cannot hold a single backslash

_SEQUENCES: Final = (list, tuple, set, frozenset, deque, KeysView, ValuesView)
# The base class's own method, so that a subclass cannot put its text there.
_TEXTS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, timedelta.__str__),
    (UUID, UUID.__str__),
    (Decimal, Decimal.__str__),
    (PurePath, PurePath.__str__),
)


class Values:
    """Cleans values: `clean` starts each with a fresh budget of nodes and text."""

    def __init__(self, names: DeniedNames, plain: PlainText, mask: Mask) -> None:
        self._names = names
        self._plain = plain
        self._mask = mask

    def clean(self, value: object) -> Any:
        """Return `value` as JSON data without secrets."""
        return _Cleaning(self._names, self._plain, self._mask).value(value, 0)


class _Cleaning:
    """One value, and what may still be written of it."""

    def __init__(self, names: DeniedNames, plain: PlainText, mask: Mask) -> None:
        self._names = names
        self._plain = plain
        self._mask = mask
        self._nodes = _MOST_NODES
        self._text = _MOST_TEXT

    def value(self, value: object, depth: int) -> Any:
        if value is None or value is True or value is False:
            return value
        try:
            return self._by_class(value, type(value), depth)
        except Exception:  # noqa: BLE001 - an application's objects may do anything
            return _class_mark(value)

    def _by_class(self, value: Any, cls: type, depth: int) -> Any:
        # The class decides, not `isinstance`: that asks the value's `__class__`, which may be a property.
        if issubclass(cls, Enum):
            return self.value(value._value_, depth)
        if issubclass(cls, str):
            return self._string(str.__str__(value))
        if issubclass(cls, int):
            return self._integer(int.__int__(value))
        if issubclass(cls, float):
            return _float(float.__float__(value))
        if issubclass(cls, (bytes, bytearray, memoryview)):
            return self._string(value if cls is bytes else bytes(memoryview(value)))
        if depth >= DEEPEST:
            return _TOO_DEEP
        if issubclass(cls, Mapping):
            return self._mapping(value.items(), len(value), depth)
        if issubclass(cls, _SEQUENCES):
            return self._sequence(value, len(value), depth)
        if issubclass(cls, msgspec.Struct):
            return self._fields(value, cls.__struct_fields__, depth)
        if dataclasses.is_dataclass(cls):
            return self._fields(value, tuple(field.name for field in dataclasses.fields(cls)), depth)
        text = _known_text(value, cls)
        return _class_mark(value) if text is None else self._string(text)

    def _mapping(self, items: Iterable[tuple[object, object]], length: int, depth: int) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, value in islice(items, self._nodes):
            if self._nodes <= 0:
                break
            self._nodes -= 1
            name = self._name(key)
            label = self._plain.clean(name, _LONGEST_KEY)
            if label in cleaned:
                label = f"{label}\\[{len(cleaned)}]"  # `1` and `"1"` are two keys in Python
            cleaned[label] = self._denied(value) if self._denies(name) else self.value(value, depth + 1)
        if len(cleaned) < length:
            cleaned[cut_mark(length)] = None
        return cleaned

    def _sequence(self, items: Iterable[object], length: int, depth: int) -> list[Any]:
        cleaned: list[Any] = []
        for item in islice(items, self._nodes):
            if self._nodes <= 0:
                break
            self._nodes -= 1
            cleaned.append(self.value(item, depth + 1))
        if len(cleaned) < length:
            cleaned.append(cut_mark(length))
        return cleaned

    def _fields(self, value: object, names: tuple[str, ...], depth: int) -> dict[str, Any]:
        fields = ((name, getattr(value, name)) for name in names)
        return self._mapping(fields, len(names), depth)

    def _denies(self, name: str | bytes) -> bool:
        return self._names.denies(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))

    def _denied(self, value: object) -> str:
        cls = type(value)
        if issubclass(cls, str):
            return self._mask(str.__str__(value))
        if issubclass(cls, bytes):
            return self._mask(bytes(cast(bytes, value)))
        if cls is int and cast(int, value).bit_length() <= _DECIMAL_BITS:
            return self._mask(str(value))
        return REDACTED

    def _string(self, text: str | bytes) -> str:
        cleaned = self._plain.clean(text, self._text)
        self._text = max(self._text - len(text), 0)
        return cleaned

    def _integer(self, number: int) -> int | str:
        if -_NO_CARD < number < _NO_CARD:
            return number
        # Python refuses, or takes its time, to write giants in decimal.
        text = str(number) if number.bit_length() <= _DECIMAL_BITS else hex(number)
        cleaned = self._string(text)
        return number if cleaned == text and -_EXACT <= number <= _EXACT else cleaned

    def _name(self, key: object) -> str | bytes:
        """Return what a key is called, before it is cleaned."""
        cls = type(key)
        if issubclass(cls, Enum):
            return self._name(cast(Enum, key)._value_)
        if issubclass(cls, str):
            return str.__str__(cast(str, key))
        if issubclass(cls, bytes):
            return bytes(cast(bytes, key))
        if key is None or issubclass(cls, (int, float)):
            return json.dumps(self.value(key, 0)).strip('"')
        return _known_text(key, cls) or _class_mark(key)


def _float(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _known_text(value: object, cls: type) -> str | None:
    for known, text in _TEXTS:
        if issubclass(cls, known):
            return text(value)
    return None


def _class_mark(value: object) -> str:
    cls = type(value)
    try:
        return escape(f"<{cls.__module__}.{cls.__qualname__}>", _LONGEST_KEY)
    except Exception:  # noqa: BLE001 - a metaclass may do anything, too
        return "<object>"
