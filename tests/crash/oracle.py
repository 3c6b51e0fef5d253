"""Holds the trail against what the client saw and which handlers ran, and objects to every difference."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.crash.database import Row
from tests.crash.endpoints import APPROVED, Endpoint
from tests.crash.history import History


class Verdict(NamedTuple):
    """Sentences, one for each fault; and what was seen of that which is no fault."""

    missing: list[str]
    wrong: list[str]
    duplicates: list[str]
    spurious: list[str]
    gaps: list[str]
    interrupted: int
    torn: int

    @property
    def faults(self) -> list[str]:
        """All of them."""
        return [*self.missing, *self.wrong, *self.duplicates, *self.spurious, *self.gaps]


def judge(history: History, ran: Counter[str], rows: Iterable[Row]) -> Verdict:
    """Compare, after the journal was drained: nothing is on its way any more."""
    rows = list(rows)
    requests: dict[str, list[Row]] = defaultdict(list)
    events: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "http":
            requests[row.request_id or "-"].append(row)
        elif row.kind == "event":
            events[row.target_id or "-"].append(row)
    return Verdict(
        missing=[*_missing_requests(history, ran, requests), *_missing_events(history, events)],
        wrong=[*_wrong_requests(history, requests), *_wrong_events(history, events, requests)],
        duplicates=[*_duplicates(rows, requests, events), *_handled_twice(history, ran)],
        spurious=[*_spurious(history, ran, requests), *_spurious(history, ran, events)],
        gaps=list(_gaps(rows)),
        interrupted=sum(row.outcome == "interrupted" for row in rows),
        torn=sum(1 for row in rows if row.kind == "close" and row.data.get("torn")),
    )


def _missing_requests(history: History, ran: Counter[str], requests: dict[str, list[Row]]) -> Iterator[str]:
    for marker, endpoint in history.issued.items():
        if endpoint.recorded and marker not in requests:
            if marker in history.answered:
                yield f"{endpoint.name} {marker} was answered, and has no record"
            elif marker in ran:
                yield f"{endpoint.name} {marker} ran, and has no record"


def _missing_events(history: History, events: dict[str, list[Row]]) -> Iterator[str]:
    for marker in history.answered:
        if history.issued[marker] is APPROVED and marker not in events:
            yield f"the event of {marker} was acknowledged, and has no record"


def _wrong_requests(history: History, requests: dict[str, list[Row]]) -> Iterator[str]:
    for marker, found in requests.items():
        endpoint = history.issued.get(marker)
        for row in found if endpoint else ():
            assert endpoint is not None
            honest = (endpoint.method, endpoint.path(marker), endpoint.status)
            interrupted = (endpoint.method, endpoint.path(marker), None)
            if row.outcome == "interrupted" and marker not in history.answered:
                right = (row.method, row.path, row.status) == interrupted
            else:
                right = (row.method, row.path, row.status) == honest and row.outcome in endpoint.outcomes
            if not right:
                yield f"{endpoint.name} {marker} is on record as {row}"


def _wrong_events(history: History, events: dict[str, list[Row]], requests: dict[str, list[Row]]) -> Iterator[str]:
    for marker, found in events.items():
        for row in found:
            if row.parent not in [request.id for request in requests.get(marker, [])]:
                yield f"the event of {marker} is not linked to its request: {row}"
            if marker in history.answered and history.answered[marker].body != row.id:
                yield f"the event of {marker} has another id than the application was told: {row}"


def _duplicates(rows: list[Row], requests: dict[str, list[Row]], events: dict[str, list[Row]]) -> Iterator[str]:
    for what, found in (("request", requests), ("event", events)):
        for marker, same in found.items():
            if len(same) > 1:
                yield f"{what} {marker} has {len(same)} records: {same}"
    for place, count in Counter((row.writer, row.seq) for row in rows).items():
        if count > 1:
            yield f"{count} records stand at {place}"
    for record_id, count in Counter(row.id for row in rows).items():
        if count > 1:
            yield f"{count} records have the id {record_id}"


def _handled_twice(history: History, ran: Counter[str]) -> Iterator[str]:
    for marker in history.issued:
        if ran[marker] > 1:
            yield f"the handler of {marker} ran {ran[marker]} times"


def _spurious(history: History, ran: Counter[str], found: dict[str, list[Row]]) -> Iterator[str]:
    for marker, rows in found.items():
        endpoint: Endpoint | None = history.issued.get(marker)
        for row in rows:
            if endpoint is None or not endpoint.recorded:
                yield f"nobody has asked for what this tells of: {row}"
            elif marker not in ran and row.outcome != "interrupted":
                yield f"no handler ran, but there is {row}"


def _gaps(rows: list[Row]) -> Iterator[str]:
    """What a reader who has nothing but the trail can see: each writer's numbers, its end, and declared losses."""
    seqs: dict[str, set[int]] = defaultdict(set)
    ends: dict[str, int] = {}
    for row in rows:
        seqs[row.writer].add(row.seq)
        if row.kind == "close":
            # A writer that closes itself does not count the record that says so.
            dead = row.data.get("writer")
            ends[dead or row.writer] = row.data["records"] + (0 if dead else 1)
        elif row.kind == "loss":
            yield f"something was lost: {row.data}"
    openings = {row.writer for row in rows if row.kind == "open"}
    for writer, found in seqs.items():
        if absent := set(range(max(found) + 1)) - found:
            yield f"{writer} lacks {sorted(absent)}"
        if writer in ends and ends[writer] != max(found) + 1:
            yield f"{writer} has said that it ends at {ends[writer]}, and ends at {max(found) + 1}"
        if writer in openings and writer not in ends:
            yield f"nobody has said where {writer} ends"
