"""Providers of each kind: a parameter gets what they give, as a default and in the annotation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import partial
from io import StringIO
from typing import IO, Annotated, Protocol, assert_type

import msgspec

from hipflask import Flask
from hipflask.api import Header, Provide, override

app = Flask(__name__)


class User(msgspec.Struct):
    name: str


class Admin(User):
    level: int = 1


class Named(Protocol):
    name: str


class Session:
    def __init__(self, user_agent: Header[str] = "") -> None:
        self.agent = user_agent

    def close(self) -> None: ...


def plain(user_agent: Header[str] = "") -> User:
    return User(user_agent)


async def coroutine() -> User:
    return User("ada")


def generator() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


def long_generator() -> Generator[Session, None, None]:
    yield Session()


async def async_generator() -> AsyncIterator[Session]:
    yield Session()


async def long_async_generator() -> AsyncGenerator[Session, None]:
    yield Session()


def needs_another(user: User = Provide(plain)) -> Admin:
    return Admin(user.name)


def maybe() -> User | None:
    return None


def several() -> list[User]:
    return []


def itself_an_iterator() -> IO[str]:
    return StringIO("text")


async def awaited_iterator() -> IO[str]:
    return StringIO("text")


class Reader:
    """Providers that are methods, and objects that can be called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> User:
        return User(self.name)

    async def read_async(self) -> User:
        return User(self.name)

    def __call__(self, x_user: Header[str] = "") -> User:
        return User(x_user or self.name)


reader = Reader("ada")


def gives_a_function() -> Callable[[], int]:
    return lambda: 3


@app.get("/defaults")
def as_defaults(
    a: User = Provide(plain),
    b: User = Provide(coroutine),
    c: Session = Provide(generator),
    d: Session = Provide(long_generator),
    e: Session = Provide(async_generator),
    f: Session = Provide(long_async_generator),
    g: Session = Provide(Session),
    h: Session = Provide(generator, scope="app"),
    i: User = Provide(needs_another),
    j: Named = Provide(plain),
    k: User | None = Provide(plain),
    m: User | None = Provide(maybe),
    n: list[User] = Provide(several),
    o: str = Provide(lambda: "text"),
    q: IO[str] = Provide(awaited_iterator),
    r: User = Provide(reader.read),
    s: User = Provide(reader.read_async),
    t: User = Provide(reader),
    u: Reader = Provide(partial(Reader, "grace")),
    v: list[str] = Provide(lambda: ["text"]),
    w: Callable[[], int] = Provide(gives_a_function),
) -> User:
    assert_type(b, User)
    assert_type(e, Session)
    return a


@app.get("/annotated")
async def annotated(
    user: Annotated[User, Provide(plain)],
    session: Annotated[Session, Provide(async_generator)],
    *,
    admin: Annotated[Admin, Provide(needs_another)],
    # As a default, pyright would take it for a generator.
    file: Annotated[IO[str], Provide(itself_an_iterator)],
) -> User:
    assert_type(user, User)
    assert_type(session, Session)
    assert_type(admin, Admin)
    return user


CurrentUser = Annotated[User, Provide(plain)]


@app.get("/alias")
def alias(user: CurrentUser) -> User:
    assert_type(user, User)
    return user


with override(app, {plain: lambda: User("test")}):
    pass
