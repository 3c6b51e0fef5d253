"""Numbers of things, in words."""


def some(count: int, what: str) -> str:
    """`1 record`, `1,204 records`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
