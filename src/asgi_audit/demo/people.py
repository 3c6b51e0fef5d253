"""The users of the demo's application: pass phrases, sign-in tokens, rights."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field


@dataclass
class User:
    """Somebody who may sign in; only an administrator may delete."""

    id: str
    name: str
    email: str
    administrator: bool = False
    salt: bytes = field(default_factory=lambda: os.urandom(16))
    digest: bytes = b""

    def set_phrase(self, phrase: str) -> None:
        """Keep what it takes to recognise the phrase, not the phrase."""
        self.digest = self._digest(phrase)

    def knows(self, phrase: str) -> bool:
        """Whether this is the user's phrase."""
        return hmac.compare_digest(self.digest, self._digest(phrase))

    def _digest(self, phrase: str) -> bytes:
        return hashlib.scrypt(phrase.encode(), salt=self.salt, n=2**12, r=8, p=1)


class People:
    """Everybody who may sign in, and who has."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._signed_in: dict[str, User] = {}

    def add(self, name: str, email: str, phrase: str, *, administrator: bool = False) -> User:
        """A new user, whose id is the first name."""
        user = User(name.split(maxsplit=1)[0].lower(), name, email, administrator)
        user.set_phrase(phrase)
        self._users[user.id] = user
        return user

    def get(self, id: str) -> User | None:
        """The user with this id."""
        return self._users.get(id)

    def by_email(self, email: str) -> User | None:
        """The user with this address."""
        return next((user for user in self._users.values() if user.email == email), None)

    def sign_in(self, user: User) -> str:
        """A token that stands for the user from now on."""
        token = secrets.token_urlsafe()
        self._signed_in[token] = user
        return token

    def by_token(self, token: str) -> User | None:
        """Who has signed in with this token."""
        return self._signed_in.get(token)
