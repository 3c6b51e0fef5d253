"""A small blog and its staff: what can be mapped, as far as it makes a difference to what is written."""

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Table
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All of it."""


post_tags = Table(
    "post_tags",
    Base.metadata,
    Column("post_id", ForeignKey("posts.id"), primary_key=True),
    Column("tag_name", ForeignKey("tags.name"), primary_key=True),
)


class Post(Base):
    """Has all kinds of columns that somebody else than the application sets."""

    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column("headline")
    views: Mapped[int] = mapped_column(default=0)
    options: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(JSON(none_as_null=True)))
    likes: Mapped[int | None] = mapped_column(server_default="3")
    edits: Mapped[str | None] = mapped_column(onupdate="edited")
    author_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    author: Mapped["Person | None"] = relationship(back_populates="posts")
    tags: Mapped[list["Tag"]] = relationship(secondary=post_tags, back_populates="posts")


class Tag(Base):
    """Has a natural key."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(primary_key=True)
    colour: Mapped[str | None]
    posts: Mapped[list[Post]] = relationship(secondary=post_tags, back_populates="tags")


class Person(Base):
    """Is versioned, and inherited from."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column()
    name: Mapped[str]
    version: Mapped[int] = mapped_column()
    posts: Mapped[list[Post]] = relationship(back_populates="author")

    __mapper_args__ = {  # noqa: RUF012 - as SQLAlchemy's pages show it
        "polymorphic_on": kind,
        "polymorphic_identity": "person",
        "version_id_col": version,
    }


class Manager(Person):
    """Is a row in two tables."""

    __tablename__ = "managers"
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012 - as above

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    level: Mapped[int | None]


class Entry(Base):
    """Is written in bulk."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    seen: Mapped[int] = mapped_column(server_default="0")


TABLES = [*Base.metadata.sorted_tables]


def table_of(cls: type[Base]) -> Table:
    """The table that a class is mapped to."""
    table = cls.__table__
    assert isinstance(table, Table)
    return table
