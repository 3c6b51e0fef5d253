"""What a trail says of itself."""

import msgspec


class SinkStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of records for one sink, since the process began: `accepted` is always `delivered + pending + lost`.

    `rejected` of those delivered were replaced by a stub and set aside. `last_error` is that of the last attempt, if it
    failed. `backlog` counts what dead writers have left for this sink, which is not part of the sum.
    """

    name: str
    accepted: int
    delivered: int
    pending: int
    lost: int
    rejected: int
    failed_attempts: int
    last_error: str | None
    backlog: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one trail; `undeclared` lost records await their loss record. `failures` counts our own by kind."""

    writer: str
    accepted: int
    undeclared: int
    sinks: list[SinkStats]
    failures: dict[str, int]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether all is well; if not, `problems` says in words what is not; `notes` what to know anyway."""

    status: str
    problems: list[str]
    notes: list[str]
    stats: Stats

    def __bool__(self) -> bool:
        return self.status == "ok"


def judge(stats: Stats, failures: dict[str, int], *, problems: list[str], notes: list[str], running: bool) -> Health:
    """`ok`, `degraded` (something was lost, or has failed lately), or `failing` (a sink or the journal takes nothing).

    `problems` and `notes` are the journal's.
    """
    failing = [
        f"sink {sink.name}: {sink.last_error}; {sink.pending + sink.backlog} pending"
        for sink in stats.sinks
        if sink.last_error
    ]
    failing += problems
    if not running:
        failing.append("the delivery thread does not run")
    degraded = [f"sink {sink.name}: {sink.lost} lost" for sink in stats.sinks if sink.lost]
    degraded += [f"sink {sink.name}: {sink.rejected} rejected" for sink in stats.sinks if sink.rejected]
    degraded += [f"{kind}: {count}" for kind, count in sorted(failures.items())]
    status = "failing" if failing else "degraded" if degraded else "ok"
    return Health(status=status, problems=failing + degraded, notes=notes, stats=stats)
