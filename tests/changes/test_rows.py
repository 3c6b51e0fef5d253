"""Rows that a flush writes: the new ones, what has changed in old ones, and what is gone."""

import dataclasses
import enum
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Computed,
    ForeignKey,
    Integer,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Table,
    func,
    insert,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    composite,
    mapped_column,
    relationship,
    sessionmaker,
)

from asgi_audit import Change
from asgi_audit.changes import capture_changes
from asgi_audit.failures import Failures
from asgi_audit.snapshot import COMPUTED, EXCLUDED
from tests.changes.captured import Captured, request
from tests.changes.databases import in_memory
from tests.changes.models import Manager, Person, Post, Tag


class Base(DeclarativeBase):
    """What is rarer than a blog."""


class Colour(enum.Enum):
    RED = "r"


@dataclasses.dataclass
class Point:
    x: int
    y: Any


class Opaque:
    """What only a pickle holds."""


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(asdecimal=True))
    made: Mapped[datetime | None]
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    settings: Mapped[Any] = mapped_column(JSON, nullable=True)
    pickled: Mapped[Any] = mapped_column(PickleType, nullable=True)
    x: Mapped[int | None]
    y: Mapped[int | None]
    place: Mapped[Point] = composite("x", "y")
    double: Mapped[int | None] = mapped_column(Computed("x * 2"))
    shout: Mapped[str] = column_property(select(func.upper("made")).scalar_subquery())
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("things.id"))
    parent: Mapped["Thing | None"] = relationship(remote_side="Thing.id", back_populates="parts", post_update=True)
    parts: Mapped[list["Thing"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan", single_parent=True
    )

    @hybrid_property
    def large(self) -> bool:
        return (self.x or 0) > 100


class Line(Base):
    __tablename__ = "lines"

    order: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[int]


class Token(Base):
    __tablename__ = "tokens"

    access_token: Mapped[str] = mapped_column(primary_key=True)
    uses: Mapped[int] = mapped_column(default=0)


class Blob(Base):
    __tablename__ = "blobs"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)


class Patient(Base):
    __tablename__ = "patients"
    __audit_exclude__: ClassVar[Any] = {"ssn", "diagnosis"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="patient")
    ssn: Mapped[str] = mapped_column("social_security_number")
    illness: Mapped[str | None] = mapped_column("diagnosis")
    room: Mapped[int | None]

    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "patient"}  # noqa: RUF012 - as SQLAlchemy has it


class Private(Patient):
    __mapper_args__ = {"polymorphic_identity": "private"}  # noqa: RUF012 - as above
    __audit_exclude__: ClassVar[Any] = ["room"]

    insurer: Mapped[str | None]


class Visit(Base):
    __tablename__ = "visits"
    __audit_exclude__ = True

    id: Mapped[int] = mapped_column(primary_key=True)


class Hidden(Base):
    __tablename__ = "hidden"
    __audit_exclude__ = "name"

    name: Mapped[str] = mapped_column(primary_key=True)
    note: Mapped[str | None]


class Slip(Base):
    __tablename__ = "slips"
    __audit_exclude__: ClassVar[Any] = {"nmae"}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Nonsense(Base):
    __tablename__ = "nonsense"
    __audit_exclude__: ClassVar[Any] = 7

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


friends = Table(
    "friends",
    Base.metadata,
    Column("one", ForeignKey("members.name"), primary_key=True),
    Column("other", ForeignKey("members.name"), primary_key=True),
    Column("since", Integer, default=2026),
    Column("why", String, nullable=True),
)


class Member(Base):
    __tablename__ = "members"

    name: Mapped[str] = mapped_column(primary_key=True)
    friends: Mapped[list["Member"]] = relationship(
        secondary=friends,
        primaryjoin=name == friends.c.one,
        secondaryjoin=name == friends.c.other,
        passive_updates=False,
    )


@pytest.fixture
def rare() -> Iterator[sessionmaker[Session]]:
    """Makes captured sessions of a database with these tables."""
    engine = in_memory()
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    with capture_changes(maker):
        yield maker
    engine.dispose()


def committed(session: Session, *objects: object) -> Captured:
    """What a request has put on record that adds these, and commits."""
    with request() as captured:
        session.add_all(objects)
        session.commit()
    return captured


def test_a_new_row_is_shown_by_its_columns(maker: sessionmaker[Session]) -> None:
    """By their names in the table; with defaults, keys, and what the database has made of it if it was fetched."""
    with maker() as session:
        captured = committed(session, Post(title="Hello"))
    (change,) = captured.changes
    assert (change.operation, change.type, change.id) == ("insert", "posts", "1")
    after = {"id": 1, "headline": "Hello", "views": 0, "options": None, "edits": None, "author_id": None}
    assert change.after == after | ({"likes": 3} if "likes" in change.after else {})
    assert change.before == {}


def test_a_changed_row_is_shown_by_what_has_changed(maker: sessionmaker[Session]) -> None:
    """Old and new; what was set to what it was is no change."""
    with maker() as session:
        post = Post(title="Hello", views=3)
        session.add(post)
        session.commit()
        assert post.views == 3
        with request() as captured:
            post.title, post.views = "Goodbye", 3
            session.commit()
            post.title = post.title
            session.commit()
    assert captured.changes == [
        Change(
            operation="update",
            type="posts",
            id="1",
            before={"headline": "Hello", "edits": None},
            after={"headline": "Goodbye", "edits": "edited"},
        )
    ]


def test_a_deleted_row_is_shown_as_it_was(maker: sessionmaker[Session]) -> None:
    """As far as it was loaded, and before what was changed in the same flush."""
    with maker() as session:
        session.add(Tag(name="a", colour="red"))
        session.commit()
        tag = session.scalars(select(Tag)).one()
        tag.colour = "blue"
        with request() as captured:
            session.delete(tag)
            session.commit()
    assert captured.changes == [Change(operation="delete", type="tags", id="a", before={"name": "a", "colour": "red"})]


def test_what_was_not_loaded_is_unknown(maker: sessionmaker[Session]) -> None:
    """It is in `after` and not in `before`: that would take a query."""
    with maker() as session:
        session.add(Post(title="Hello"))
        session.commit()
        post = session.get_one(Post, 1)
        session.expire(post)
        with request() as captured:
            post.title = "Goodbye"
            session.commit()
    (change,) = captured.changes
    assert change.before == {}
    assert change.after == {"headline": "Goodbye", "edits": "edited"}


def test_what_the_database_computes_is_marked(rare: sessionmaker[Session], maker: sessionmaker[Session]) -> None:
    """An expression, a computed column: what came of them would take a query, that they have changed does not."""
    with maker() as session:
        session.add(Post(title="a", views=2))
        session.commit()
        post = session.scalars(select(Post)).one()
        with request() as captured:
            post.views = Post.views + 1
            session.commit()
    (change,) = captured.changes
    assert change.before == {"views": 2, "edits": None}
    assert change.after == {"views": COMPUTED, "edits": "edited"}
    with rare() as session:
        session.add(Thing(x=2))
        session.commit()
        thing = session.scalars(select(Thing)).one()
        with request() as captured:
            thing.x = 3
            session.commit()
    (change,) = captured.changes
    assert change.before == {"x": 2, "double": 4}
    assert change.after["x"] == 3
    assert change.after["double"] in (COMPUTED, 6)


def test_an_object_of_a_subclass_is_a_row_in_each_table(maker: sessionmaker[Session]) -> None:
    """Its version changes in the first, whichever of its tables has."""
    with maker() as session, request() as captured:
        manager = Manager(name="Ada", level=1)
        session.add(manager)
        session.commit()
        assert manager.level == 1
        manager.level = 2
        session.commit()
        session.delete(manager)
        session.commit()
    assert [(change.operation, change.type, change.id) for change in captured.changes] == [
        ("insert", "people", "1"),
        ("insert", "managers", "1"),
        ("update", "people", "1"),
        ("update", "managers", "1"),
        ("delete", "people", "1"),
        ("delete", "managers", "1"),
    ]
    assert captured.changes[2].after == {"version": 2}
    assert captured.changes[3].before == {"level": 1}


def test_values_are_those_of_the_moment(rare: sessionmaker[Session]) -> None:
    """What the application does to them later is not on record."""
    settings = {"a": [1, {"b": 2}], "c": (1,), "d": {3}}
    place = Point(1, [2])
    with rare() as session:
        settings_of, pickled = {"a": [1, {"b": 2}]}, {"p": place, **settings, "cls": Point, "o": Colour.RED}
        thing = Thing(settings=settings_of, pickled=pickled)
        with request() as captured:
            session.add(thing)
            session.flush()
            settings_of["a"].append("later")
            place.y.append("later")
            settings["a"].append("later")  # type: ignore[attr-defined]
            session.commit()
    (change,) = captured.changes
    assert change.after["settings"] == {"a": [1, {"b": 2}]}
    expected = {"p": {"x": 1, "y": [2]}, "a": [1, {"b": 2}], "c": [1], "d": [3], "cls": Point, "o": Colour.RED}
    assert change.after["pickled"] == expected


def test_values_of_all_types(rare: sessionmaker[Session]) -> None:
    """As the application knows them; of bytes only how many there are, of what is too deep what the redactor says."""
    deep: list[Any] = []
    for _ in range(40):
        deep = [deep]
    opaque = Opaque()
    with rare() as session:
        captured = committed(
            session,
            Thing(
                colour=Colour.RED,
                price=Decimal("1.50"),
                made=datetime(2026, 11, 26, tzinfo=UTC),
                image=b"\x00" * 5000,
                settings=deep,
                pickled=[bytearray(3), memoryview(b"1234")[:2].tobytes(), opaque],
                place=Point(3, 4),
            ),
        )
    after = captured.changes[0].after
    assert after["colour"] is Colour.RED
    assert after["price"] == Decimal("1.50")
    assert after["image"] == "[5000 bytes]"
    assert after["pickled"] == ["[3 bytes]", "[2 bytes]", opaque]
    assert (after["x"], after["y"]) == (3, 4)
    assert {"place", "shout", "large", "parent"} & after.keys() == set()


def test_keys_as_text(rare: sessionmaker[Session]) -> None:
    """One column: its value. Several: a JSON array. Bytes are in hex, as they must tell one row from another."""
    with rare() as session:
        captured = committed(
            session,
            Line(order=7, colour=Colour.RED, day=date(2026, 11, 26), amount=1),
            Blob(key=b"\x01\xff"),
        )
    assert [change.id for change in captured.changes] == ['[7, "r", "2026-11-26"]', "01ff"]


def test_the_id_is_that_from_before(rare: sessionmaker[Session]) -> None:
    """Where the key itself changes; the association's rows follow, as far as SQLAlchemy has them follow."""
    with rare() as session:
        ada, grace = Member(name="Ada"), Member(name="Grace")
        ada.friends.append(grace)
        captured = committed(session, ada, grace)
        assert captured.changes[-1] == Change(
            operation="insert", type="friends", after={"one": "Ada", "other": "Grace", "since": 2026, "why": None}
        ) or captured.changes[-1].after == {"one": "Ada", "other": "Grace", "since": 2026}
        assert ada.name == "Ada"
        with request() as captured:
            ada.name = "Augusta"
            session.commit()
    assert captured.changes == [
        Change(operation="update", type="members", id="Ada", before={"name": "Ada"}, after={"name": "Augusta"}),
        Change(
            operation="update",
            type="friends",
            before={"one": "Ada", "other": "Grace"},
            after={"one": "Augusta", "other": "Grace"},
        ),
    ]


def test_a_secret_key_is_masked(rare: sessionmaker[Session]) -> None:
    """The redactor goes by names, which an id has none of."""
    with rare() as session:
        captured = committed(session, Token(access_token="canary"), Hidden(name="canary", note="n"))
    assert [change.id for change in captured.changes] == ["[redacted]", EXCLUDED]
    assert captured.changes[1].after == {"name": EXCLUDED, "note": "n"}


def test_excluded_columns_show_no_value(rare: sessionmaker[Session]) -> None:
    """But that they have changed. They may be named as column or attribute, here or in a class above."""
    with rare() as session:
        private = Private(ssn="canary", illness="canary", room=7, insurer="X")
        with request() as captured:
            session.add(private)
            session.commit()
            private.ssn = "canary 2"
            session.commit()
            session.delete(private)
            session.commit()
    inserted, updated, deleted = captured.changes
    hidden = {"social_security_number": EXCLUDED, "diagnosis": EXCLUDED, "room": EXCLUDED}
    assert inserted.after == {"id": 1, "kind": "private", "insurer": "X"} | hidden
    assert updated.after == {"social_security_number": EXCLUDED}
    assert "canary" not in repr(captured.changes)
    assert deleted.operation == "delete"


def test_excluded_classes_are_not_on_record(rare: sessionmaker[Session]) -> None:
    """Neither new rows nor old ones."""
    with rare() as session:
        visit = Visit()
        captured = committed(session, visit)
        with request() as later:
            session.delete(visit)
            session.commit()
    assert captured.changes == later.changes == []


def test_a_slip_in_what_is_excluded_is_counted(rare: sessionmaker[Session], homeless: Failures) -> None:
    """A name that no column has; and what is no set of names hides all values."""
    with rare() as session:
        captured = committed(session, Slip(name="a"), Nonsense(name="canary"))
    assert captured.changes[0].after == {"id": 1, "name": "a"}
    assert captured.changes[1].after == {"id": EXCLUDED, "name": EXCLUDED}
    assert captured.changes[1].id == EXCLUDED
    assert sorted(homeless.counts()) == [
        "an __audit_exclude__ is neither True nor a set of names: no value of its class is shown",
        "an __audit_exclude__ names a column that is not mapped",
    ]


def test_orphans_and_late_references_are_seen(rare: sessionmaker[Session]) -> None:
    """What SQLAlchemy finds out while it flushes."""
    with rare() as session:
        whole, part = Thing(), Thing()
        whole.parts.append(part)
        captured = committed(session, whole)
        assert sorted(change.after["parent_id"] or 0 for change in captured.changes) == [0, 1]
        assert whole.parts == [part]
        with request() as captured:
            whole.parts.clear()
            session.commit()
    assert [(change.operation, change.id) for change in captured.changes] == [("delete", "2")]


def test_a_row_that_is_deleted_and_added_again_is_updated(maker: sessionmaker[Session]) -> None:
    """As SQLAlchemy does it, where both happen in one flush."""
    with maker() as session:
        session.add(Tag(name="a", colour="red"))
        session.commit()
        tag = session.scalars(select(Tag)).one()
        with request() as captured:
            session.delete(tag)
            session.add(Tag(name="a", colour="blue"))
            session.commit()
            tag = session.scalars(select(Tag)).one()
            session.delete(tag)
            session.add(Tag(name="a", colour=func.lower("GREEN")))
            session.commit()
    assert [change.operation for change in captured.changes] == ["update", "update"]
    assert [(change.before, change.after) for change in captured.changes] == [
        ({"colour": "red"}, {"colour": "blue"}),
        ({"colour": "blue"}, {"colour": captured.changes[1].after["colour"]}),
    ]
    assert captured.changes[1].after["colour"] in (COMPUTED, "green")


def test_references_are_shown_by_their_columns(maker: sessionmaker[Session]) -> None:
    """A relationship is the foreign key behind it, set when its own key is known."""
    with maker() as session:
        post = Post(title="a")
        committed(session, post)
        assert post.author_id is None
        with request() as captured:
            post.author = Person(name="Ada")
            session.commit()
    update, insert_ = captured.changes
    assert insert_.type == "people"
    assert update.before == {"author_id": None, "edits": None}
    assert update.after == {"author_id": 1, "edits": "edited"}


def test_links_are_on_record_once(maker: sessionmaker[Session]) -> None:
    """Whichever side of the relationship was changed; and when one end is deleted."""
    with maker() as session:
        post, tag = Post(title="a"), Tag(name="t")
        post.tags.append(tag)
        tag.posts.append(Post(title="b"))
        captured = committed(session, post)
        links = [change for change in captured.changes if change.type == "post_tags"]
        assert sorted(change.after["post_id"] for change in links) == [1, 2]
        with request() as captured:
            session.delete(tag)
            session.commit()
    assert sorted((change.operation, change.type) for change in captured.changes) == [
        ("delete", "post_tags"),
        ("delete", "post_tags"),
        ("delete", "tags"),
    ]


def test_a_failing_value_fails_no_flush(rare: sessionmaker[Session]) -> None:
    """What cannot be looked at is counted; the application's work goes on."""

    class Hostile(list[int]):
        def __iter__(self) -> Iterator[int]:
            raise RuntimeError("not now")

        def __reduce__(self) -> Any:
            return list, ()

    with rare() as session:
        captured = committed(session, Thing(pickled=Hostile()))
        assert session.scalar(select(func.count(Thing.id))) == 1
    assert captured.changes == []
    assert captured.failures == ["changes of a session could not be captured"]
    with rare() as session:
        session.execute(insert(Thing), [{"x": 1}])
