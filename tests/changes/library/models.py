"""Models of Django, with all that makes a row's changes hard to see."""

import uuid

from django.db import models


class Author(models.Model):  # type: ignore[misc]  # Django has no types
    """Has a secret, and notes that are nobody's business."""

    __audit_exclude__ = {"notes"}  # noqa: RUF012
    name = models.CharField(max_length=100)
    password = models.CharField(max_length=100, default="")
    notes = models.TextField(default="")
    seen = models.IntegerField(default=0, db_column="seen_count")


class Tag(models.Model):  # type: ignore[misc]
    """Has a key of its own kind."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)


class Book(models.Model):  # type: ignore[misc]
    """Has an author, tags, and options that change in place."""

    title = models.CharField(max_length=100)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    options = models.JSONField(default=dict)


class Comic(Book):
    """A row in two tables."""

    artist = models.CharField(max_length=100)


class Draft(models.Model):  # type: ignore[misc]
    """Not on record."""

    __audit_exclude__ = True
    text = models.TextField(default="")


class Badge(models.Model):  # type: ignore[misc]
    """Has a key that is nobody's business, and a picture."""

    __audit_exclude__ = {"code"}  # noqa: RUF012
    code = models.CharField(max_length=100, primary_key=True)
    picture = models.BinaryField(default=b"")


class Token(models.Model):  # type: ignore[misc]
    """Has a key that is a secret by its name."""

    token = models.CharField(max_length=100, primary_key=True)


ALL = [Author, Tag, Book, Comic, Draft, Badge, Token]
