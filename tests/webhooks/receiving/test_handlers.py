"""A handler's signature is read at setup; its call gets what the parameters ask for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import pytest
from sqlalchemy import Connection

from hipflask.scaffold import SetupError
from hipflask.webhooks import Handler, Permanent, Received, Transient

pydantic = pytest.importorskip("pydantic")

if TYPE_CHECKING:
    from decimal import Decimal


class Push(msgspec.Struct):
    ref: str
    commits: list[int] = []


class PushModel(pydantic.BaseModel):
    ref: str
    commits: list[int] = []


class PushDict(TypedDict):
    ref: str


@dataclass
class PushData:
    ref: str


def received(body=b'{"ref":"main","commits":[1]}', fields=(), **more):
    known = {
        "source": "github", "id": "d1", "type": "push", "key": None, "seq": 1,
        "received_at": 1.0, "method": "POST", "query": b"", "scheme": "github", "secret_no": 1,
    }  # fmt: skip
    return Received(**{**known, "fields": tuple(fields), "body": body, **more})


def no_tx():
    raise AssertionError("not asked for")


def handler(function, **options):
    return Handler(function, source="github", **options)


def test_parameters_by_name_and_by_type():
    connection: Any = object()

    def all_of_it(push: Push, link: Connection, what: Received):
        return push, link, what

    def by_name(event, tx, delivery):
        return event, tx, delivery

    one = received()
    assert handler(all_of_it).call(one, lambda: connection) == (Push("main", [1]), connection, one)
    assert handler(by_name).call(one, lambda: connection) == (
        {"ref": "main", "commits": [1]},
        connection,
        one,
    )
    assert handler(by_name).takes_tx and not handler(lambda event: event, name="x").takes_tx
    assert handler(lambda: "nothing", name="x").call(one, no_tx) == "nothing"


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (Push, Push("main", [1])),
        (PushModel, PushModel(ref="main", commits=[1])),
        (PushDict, {"ref": "main"}),
        (PushData, PushData("main")),
        (dict[str, Any], {"ref": "main", "commits": [1]}),
        (bytes, b'{"ref":"main","commits":[1]}'),
        (Any, {"ref": "main", "commits": [1]}),
    ],
)
def test_the_event_is_of_the_annotated_type(annotation, found):
    def handle(event):
        return event

    handle.__annotations__["event"] = annotation
    assert handler(handle).call(received(), no_tx) == found


@pytest.mark.parametrize("annotation", [Push, PushModel, PushData])
def test_bad_data_is_permanent_and_tells_the_path_and_no_value(annotation):
    def handle(event):
        raise AssertionError("called")

    handle.__annotations__["event"] = annotation
    body = b'{"ref":"main"}' if annotation is PushData else b'{"ref":"x","commits":[1,"s3cret"]}'
    if annotation is PushData:
        body = b'{"ref":7}'
    with pytest.raises(Permanent) as caught:
        handler(handle).call(received(body), no_tx)
    text = str(caught.value)
    assert ("commits.1" in text or "ref" in text) and "s3cret" not in text


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_permanent(body):
    with pytest.raises(Permanent):
        handler(lambda event: event, name="x").call(received(body), no_tx)


FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


def test_forms():
    plain = handler(lambda event: event, name="x")
    assert plain.call(received(b"a=1&a=2&b=", FORM), no_tx) == {"a": "2", "b": ""}
    assert plain.call(received(b"payload=%7B%22n%22%3A1%7D", FORM), no_tx) == {"n": 1}

    def typed(event: Push):
        return event

    assert handler(typed).call(received(b"ref=main", FORM), no_tx) == Push("main")
    with pytest.raises(Permanent):
        plain.call(received(b"&".join([b"a=1"] * 2000), FORM), no_tx)


def test_async():
    async def handle(event):
        return event["ref"]

    made = handler(handle)
    assert made.is_async and asyncio.run(made.call(received(), no_tx)) == "main"


@pytest.mark.parametrize(
    ("types", "type", "wanted"),
    [
        ((), None, True),
        ((), "push", True),
        (("push",), "push", True),
        (("push",), None, False),
        (("push",), "pushed", False),
        (("issues",), "issues.opened", True),
        (("issues.opened",), "issues", False),
        (("issues.opened", "push"), "push", True),
        (("*",), "x", True),
    ],
)
def test_types(types, type, wanted):
    assert handler(lambda event: 0, name="x", types=types).wants(received(type=type)) is wanted


def test_when():
    def is_main(event: Push, delivery):
        return event.ref == "main" and delivery.id == "d1"

    made = handler(lambda event: 0, name="x", types=("push",), when=is_main)
    assert made.wants(received()) and not made.wants(received(b'{"ref":"x"}'))
    assert not made.wants(received(b"no json", type="other"))  # not even read
    with pytest.raises(Permanent):
        made.wants(received(b"no json"))


class Nothing:
    pass


def positional(event, /):
    pass


def late(event: Decimal):
    pass


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda a, b: 0, "two parameters for the event"),
        (lambda *events: 0, r"takes \*events"),
        (lambda **events: 0, r"takes \*events"),
        (positional, "cannot be given by name"),
        (late, "names what is not there"),
        ("text", "cannot be called"),
    ],
)
def test_what_is_refused_at_setup(function, words):
    with pytest.raises(SetupError, match=words) as caught:
        handler(function, name="x")
    if callable(function):
        assert ".py:" in str(caught.value)


def test_types_that_nobody_can_read():
    def handle(event):
        pass

    handle.__annotations__["event"] = Nothing
    with pytest.raises(SetupError, match="cannot be read"):
        handler(handle)


def test_when_is_plain_and_gets_no_tx():
    async def later(event):
        return True

    with pytest.raises(SetupError, match="without async"):
        handler(lambda event: 0, name="x", when=later)
    with pytest.raises(SetupError, match="gets no tx"):
        handler(lambda event: 0, name="x", when=lambda event, tx: True)


def test_idempotency_key_is_the_same_for_each_attempt_and_other_for_another_handler():
    key = received(handler="a").idempotency_key
    assert key == received(handler="a", attempt=5, seq=9).idempotency_key
    others = [
        received(handler="b"),
        received(handler="a", id="d2"),
        received(handler="a", source="x"),
    ]
    assert len({key, *(one.idempotency_key for one in others)}) == 4


def test_received():
    one = received(fields=[(b"X-A", b"1"), (b"x-a", b"\xe9")])
    assert one.headers.getlist("x-A") == ["1", "é"]
    assert one.delivery().values("X-A") == [b"1", b"\xe9"]
    assert repr(one) == "<Received github push d1 attempt 1>"


def test_transient():
    assert Transient("later", retry_after_s=3).retry_after_s == 3
    assert Transient().retry_after_s is None
    with pytest.raises(ValueError, match="give 0 or more"):
        Transient(retry_after_s=-1)
