"""Units of work: commands that hypothesis strings together, and the session that carries them out."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from hypothesis import strategies as st
from sqlalchemy import delete, insert, inspect, select, text, update
from sqlalchemy.orm import Session, SessionTransaction

from asgi_audit import Change
from tests.changes.models import Entry, Manager, Person, Post, Tag, table_of

_Mapped = TypeVar("_Mapped", Post, Tag, Person)
Sums: TypeAlias = Counter[tuple[str, str]]  # rows in entries, by operation and way


class Command(NamedTuple):
    """What to do, to which of those there are, with what."""

    verb: str
    which: int
    value: int


VERBS = [
    *["add_post", "add_tag", "add_manager", "rename_post", "count_view", "set_option", "set_author", "delete_post"],
    *["delete_tag", "rename_person", "promote", "rename_and_promote", "delete_person", "link", "unlink", "set_links"],
    *["replace_tag", "expire", "expire_all", "refresh", "flush", "savepoint", "release", "undo", "commit", "rollback"],
    *["insert_entries", "add_entry", "update_entries", "update_by_key", "delete_entries", "text_entries", "close"],
    *["save_entries", "copy_entries", "driver_entries", "core_entries"],
]
commands = st.builds(Command, st.sampled_from(VERBS), st.integers(0, 5), st.integers(0, 99))
ends = st.sampled_from([[Command("commit", 0, 0)]] * 4 + [[Command("close", 0, 0)]])
units = st.builds(list.__add__, st.lists(commands, min_size=1, max_size=20), ends)


class Work:
    """A session at work. `sums` counts what was done to entries and committed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sums: Sums = Counter()
        self._savepoints: list[SessionTransaction] = []
        self._pending: list[Sums] = [Counter()]

    def do(self, commands: Sequence[Command]) -> Sums:
        """Carry out the commands, and leave without a commit of what is left."""
        for command in commands:
            getattr(self, command.verb)(command.which, command.value)
        self.session.close()
        return self.sums

    def add_post(self, which: int, value: int) -> None:
        post = Post(title=f"post {value}")
        if value % 3 == 0:
            post.likes = value
        if value % 4 == 0:
            post.options = {"a": [value]}
        if value % 5 == 0 and (tag := self._pick(Tag, which)):
            post.tags.append(tag)
        self.session.add(post)

    def add_tag(self, which: int, value: int) -> None:
        with self.session.no_autoflush:
            if self.session.get(Tag, f"tag {value}") is None and not any(
                isinstance(new, Tag) and new.name == f"tag {value}" for new in self.session.new
            ):
                self.session.add(Tag(name=f"tag {value}"))

    def add_manager(self, which: int, value: int) -> None:
        self.session.add(Manager(name=f"manager {value}", level=value if value % 2 else None))

    def rename_post(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            post.title = f"renamed {value}"

    def count_view(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            post.views = Post.views + value

    def set_option(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            if post.options is None:
                post.options = {"b": value}
            else:
                post.options["b"] = value

    def set_author(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            post.author = self._pick(Person, value)

    def delete_post(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            self.session.delete(post)

    def delete_tag(self, which: int, value: int) -> None:
        if tag := self._pick(Tag, which):
            self.session.delete(tag)

    def rename_person(self, which: int, value: int) -> None:
        if person := self._pick(Person, which):
            person.name = f"renamed {value}"

    def promote(self, which: int, value: int) -> None:
        if isinstance(person := self._pick(Person, which), Manager):
            person.level = value

    def rename_and_promote(self, which: int, value: int) -> None:
        self.rename_person(which, value)
        self.promote(which, value)

    def delete_person(self, which: int, value: int) -> None:
        if person := self._pick(Person, which):
            self.session.delete(person)

    def link(self, which: int, value: int) -> None:
        post, tag = self._pick(Post, which), self._pick(Tag, value)
        if post and tag and tag not in post.tags:
            post.tags.append(tag)

    def unlink(self, which: int, value: int) -> None:
        if (tag := self._pick(Tag, which)) and tag.posts:
            tag.posts.pop()

    def set_links(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            tags = self.session.scalars(select(Tag).order_by(Tag.name)).all()
            post.tags = list(tags[: value % 4])

    def replace_tag(self, which: int, value: int) -> None:
        """Delete one and add another of the same key, in one flush."""
        if tag := self._pick(Tag, which):
            tag.posts.clear()
            self.session.flush()
            self.session.delete(tag)
            self.session.add(Tag(name=tag.name, colour=f"colour {value}"))
            self.session.flush()

    def expire(self, which: int, value: int) -> None:
        if post := self._pick(Post, which):
            self.session.flush()
            self.session.expire(post, ["title"] if value % 2 else None)
            post.title = f"blind {value}"

    def expire_all(self, which: int, value: int) -> None:
        self.session.expire_all()

    def refresh(self, which: int, value: int) -> None:
        if person := self._pick(Person, which):
            self.session.refresh(person)

    def flush(self, which: int, value: int) -> None:
        self.session.flush()

    def savepoint(self, which: int, value: int) -> None:
        if len(self._savepoints) < 3:
            self._savepoints.append(self.session.begin_nested())
            self._pending.append(Counter())

    def release(self, which: int, value: int) -> None:
        if self._savepoints:
            self._savepoints.pop().commit()
            released = self._pending.pop()
            self._pending[-1] += released

    def undo(self, which: int, value: int) -> None:
        """Roll back to one of the savepoints, and with it those in it."""
        if self._savepoints:
            place = which % len(self._savepoints)
            self._savepoints[place].rollback()
            del self._savepoints[place:], self._pending[place + 1 :]

    def commit(self, which: int, value: int) -> None:
        self.session.commit()
        self.sums += sum(self._pending, Counter())
        self._forget()

    def rollback(self, which: int, value: int) -> None:
        self.session.rollback()
        self._forget()

    def close(self, which: int, value: int) -> None:
        self.session.close()
        self._forget()

    def insert_entries(self, which: int, value: int) -> None:
        self._sum("insert", self.session.execute(insert(Entry), [{"text": "x"}] * (which + 1)), which + 1)

    def save_entries(self, which: int, value: int) -> None:
        self.session.bulk_save_objects([Entry(text="s") for _ in range(which)])
        self.session.bulk_insert_mappings(inspect(Entry), [{"text": "m"}] * 2)
        self._sum("insert", None, which + 2)

    def add_entry(self, which: int, value: int) -> None:
        """Row by row, which is no sum."""
        self.session.add(Entry(text="row"))

    def update_entries(self, which: int, value: int) -> None:
        self._sum("update", self.session.execute(update(Entry).where(Entry.id % 3 == which).values(text="u")))

    def update_by_key(self, which: int, value: int) -> None:
        ids = self.session.scalars(select(Entry.id).order_by(Entry.id).limit(2)).all()
        if ids:
            self.session.execute(update(Entry), [{"id": key, "text": "k"} for key in ids])
            self._sum("update", None, len(ids))

    def delete_entries(self, which: int, value: int) -> None:
        self._sum("delete", self.session.execute(delete(Entry).where(Entry.id % 4 == which)))

    def text_entries(self, which: int, value: int) -> None:
        found = self.session.execute(text("UPDATE entries SET seen = seen + 1 WHERE id % 5 = :rest"), {"rest": which})
        self._sum("update", found)

    def driver_entries(self, which: int, value: int) -> None:
        self._sum("delete", self.session.connection().exec_driver_sql(f"DELETE FROM entries WHERE id = {value}"))

    def core_entries(self, which: int, value: int) -> None:
        statement = update(table_of(Entry)).where(Entry.id > value).values(seen=1)
        self._sum("update", self.session.connection().execute(statement))

    def copy_entries(self, which: int, value: int) -> None:
        copied = select(Entry.text).where(Entry.id < value).limit(3)
        self._sum("insert", self.session.execute(insert(Entry).from_select(["text"], copied)))

    def _pick(self, cls: type[_Mapped], which: int) -> _Mapped | None:
        """One of those there are, and will be after the flush that this makes."""
        (key,) = inspect(cls).primary_key
        found = self.session.scalars(select(cls).order_by(key)).all()
        return found[which % len(found)] if found else None

    def _sum(self, operation: str, result: Any, count: int | None = None) -> None:
        self._pending[-1][operation, "entries"] += result.rowcount if count is None else count

    def _forget(self) -> None:
        self._savepoints.clear()
        self._pending = [Counter()]


def agree(changes: Sequence[Change], done: Sums) -> bool:
    """Whether changes say of entries what was done to them, as far as the driver has counted."""
    said: Sums = Counter()
    for change in changes:
        if change.type == "entries" and change.criteria is not None:
            if change.count is None:
                done = Counter({kind: count for kind, count in done.items() if kind[0] != change.operation})
            else:
                said[change.operation, change.type] += change.count
    return {kind: said[kind] for kind in done} == done
