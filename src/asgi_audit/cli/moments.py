"""Points in time as people type them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_AGO = re.compile(r"(\d+) ?(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(text: str) -> float:
    """`10s`, `5m`, `1h`: so many seconds. `ValueError` says what may be written."""
    span = _AGO.fullmatch(text.strip())
    if span is None or not int(span[1]):
        raise ValueError(f"{text!r} is no time; write 10s, 5m or 1h")
    return float(int(span[1]) * _SECONDS[span[2]])


def parse_moment(text: str, *, now: datetime, zone: tzinfo | None = UTC) -> datetime:
    """`30m`, `7d` (ago), `now`, `today`, `yesterday`, or an ISO 8601 date or time, in the zone if it names none.

    A zone of `None` is the machine's own. `ValueError` says what may be written.
    """
    try:
        return _parse(text.strip(), now, zone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no point in time; write 30m, 2h, 7d, today, yesterday, 2026-11-23 or 2026-11-23T15:30"
        ) from None


def _parse(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    if ago := _AGO.fullmatch(text):
        return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        date = now.astimezone(zone).date() - timedelta(days=text == "yesterday")
        text = date.isoformat()
    moment = datetime.fromisoformat(text)
    # `replace` for a given zone; `astimezone` takes a naive time for the machine's own.
    return moment if moment.tzinfo else moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
