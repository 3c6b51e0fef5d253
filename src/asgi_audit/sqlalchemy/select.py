"""A query as SQL."""

from typing import Any, Final

import sqlalchemy as sa

from asgi_audit.integrity.projection import NARROW, WIDE, clip
from asgi_audit.sqlalchemy.schema import records
from asgi_audit.store import Query

_EQUAL: Final = ("outcome", "method", "route", "kind", "tenant", "ip", "request_id")


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """What a row must fulfil."""
    column = records.c
    wanted: list[sa.ColumnElement[bool]] = []
    clipped: dict[sa.Column[Any], str | None] = {
        column.actor_id: clip(query.actor, WIDE),
        column.actor_type: clip(query.actor_type, NARROW),
        column.action: clip(query.action, WIDE),
        column.target_id: clip(query.target, WIDE),
        column.target_type: clip(query.target_type, NARROW),
    }
    exact = {column[name]: getattr(query, name) for name in _EQUAL}
    wanted += [where == value for where, value in (clipped | exact).items() if value is not None]
    if query.path is not None:
        wanted.append(column.path.icontains(query.path, autoescape=True))
    if query.statuses is not None:
        wanted.append(column.status.between(*query.statuses))
    since, until = query.ids
    if since is not None:
        wanted.append(column.id >= since)
    if until is not None:
        wanted.append(column.id < until)
    return wanted
