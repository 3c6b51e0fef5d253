"""The roles of the operations page: its table, and its script under names of a test's own."""

import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from tests.postgres import execute

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Roles on PostgreSQL\n")[2].partition("\n## ")[0]
ROLES = ("audit_app", "audit_sealer", "audit_reader", "audit_admin")


class Cast:
    """The roles of one test under names of their own: a cluster has its roles in common."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._suffix = uuid.uuid4().hex[:12]

    def name(self, role: str) -> str:
        return f"{role}_{self._suffix}"

    def url_of(self, role: str) -> str:
        """With which it logs in."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{self.name(role)}:secret@{parts.hostname}:{parts.port}").geturl()

    def script(self) -> str:
        """The page's, with these names."""
        (script,) = re.findall(r"```sql\n(.*?)```", SECTION, re.DOTALL)
        return re.sub(r"\baudit_(app|sealer|reader|admin|owner)\b", lambda found: self.name(found[0]), script)

    async def enter(self) -> None:
        await execute(self.url, self.script(), *(f"ALTER ROLE {self.name(role)} PASSWORD 'secret'" for role in ROLES))

    async def leave(self) -> None:
        names = ", ".join(self.name(role) for role in (*ROLES, "audit_owner"))
        await execute(self.url, f"DROP OWNED BY {names} CASCADE", f"DROP ROLE {names}")


def rights() -> dict[str, set[tuple[str, str]]]:
    """The table of the page: by role, pairs of a right and what it is on."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line[:1] == "|"]
    objects = [cell.strip("`") for cell in rows[0]]
    found: dict[str, set[tuple[str, str]]] = {}
    for role, *cells, functions in rows[2:]:
        granted = {
            (right, table) for table, cell in zip(objects[1:], cells, strict=False) for right in cell.split(", ")
        }
        granted |= {("EXECUTE", function) for function in re.findall("`(.*?)`", functions)}
        found[role.split("`")[1]] = {pair for pair in granted if pair[0]}
    return found
