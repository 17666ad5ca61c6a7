"""Providers of another type than the parameter: reported where they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import msgspec

from hipflask import Flask
from hipflask.api import Provide

app = Flask(__name__)


class User(msgspec.Struct):
    name: str


class Session:
    pass


def plain() -> User:
    return User("ada")


async def coroutine() -> User:
    return User("ada")


def generator() -> Iterator[Session]:
    yield Session()


async def async_generator() -> AsyncIterator[Session]:
    yield Session()


def maybe() -> User | None:
    return None


@app.get("/")
def view(
    a: Session = Provide(plain),  # error: a User
    b: Session = Provide(coroutine),  # error: a User
    c: User = Provide(generator),  # error: a Session
    d: User = Provide(async_generator),  # error: a Session
    e: User = Provide(maybe),  # error: None as well
    f: User = Provide(User("ada")),  # error: no function
    g: User = Provide(plain, scope="session"),  # error: no such scope
    h: int = Provide(lambda: "text"),  # error: text
) -> User:
    return User("")


def needs_another(user: Session = Provide(plain)) -> User:  # error: a User
    return User("")
