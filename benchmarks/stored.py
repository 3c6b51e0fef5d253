"""What a database has in the end: every request that was answered is to be there."""

from asgi_audit.sqlalchemy import AuditStore


async def stored(url: str) -> int:
    """How many requests it has on record."""
    async with AuditStore(url) as store:
        return await store.count(kind="http")
