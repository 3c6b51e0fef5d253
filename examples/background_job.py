"""The audit trail of a script: a nightly import, which no request has started, and which acts for itself.

    pip install "asgi-audit[sqlite,cli]"
    python examples/background_job.py
    asgi-audit log audit.db --actor nightly-import

Every event is in the job's name, and the customer that could not be imported is on record too.
"""

import asyncio

from asgi_audit import Actor, AuditTrail, Outcome, Target, acting_as
from asgi_audit.sqlalchemy import AuditStore

URL = "sqlite:///audit.db"
CUSTOMERS = {"17": "Ada Lovelace", "18": "", "19": "Grace Hopper"}


def run() -> None:
    """Import the customers; leaving the trail's block waits until its records are stored."""
    with AuditTrail(URL, service="import") as trail, acting_as(Actor("nightly-import", type="job")):
        for number, name in CUSTOMERS.items():
            customer = Target(number, type="customer")
            if name:
                trail.event("customer.import", target=customer, data={"name": name})
            else:
                trail.event("customer.import", target=customer, outcome=Outcome.FAILED, reason="the name is missing")


async def report() -> None:
    """Read the trail back."""
    async with AuditStore(URL) as store:
        async for record in store.query(actor="nightly-import", oldest_first=True):
            targets = ", ".join(target.id for target in record.targets or [])
            print(f"{record.time:%H:%M:%S} {record.action} {targets}: {record.outcome}")


if __name__ == "__main__":
    run()
    asyncio.run(report())
