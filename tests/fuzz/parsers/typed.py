# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of typed views: text, JSON and msgpack as a type, cursors, problems, negotiation."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel

from hipflask.api.kinds import codec_of
from hipflask.api.model import Rejected
from hipflask.api.outputs.negotiation import preferred_msgpack
from hipflask.api.outputs.paging import dump_cursor, parse_cursor
from hipflask.api.problems import parse_problem

from .. import cases
from ..typed_target import Color, Contact, Filters, Node, Order, Signup, Size
from .http import JSON_TOKENS, JSONS
from .parser import equal, parser, text_of, utf8_of


class Model(BaseModel):
    """What pydantic reads."""

    name: str
    count: int = 0
    at: datetime | None = None
    inner: list[Model] = []


SCALARS: tuple[Any, ...] = (
    int, float, bool, str, bytes, Decimal, UUID, date, datetime, time, timedelta, Color, Size, Literal["a", 1],
    int | None, int | float | str, Annotated[int, msgspec.Meta(ge=0, le=9)], Annotated[str, msgspec.Meta(pattern="^a*$")],
    list[int], list[Color], set[str], tuple[int, ...], list[Decimal],
)  # fmt: skip
READERS = [codec_of(one).from_text for one in SCALARS]
TEXTS = (
    "", "0", "-1", "1.5", "1e9", "true", "on", "nan", "inf", "red", "2026-11-23", "2026-11-23T08:00:00Z", "P1DT2H",
    "08:00", "00000000-0000-0000-0000-000000000000", "٣", "9" * 99, "1_0", " 1", "0x10", "a", "aaaa",
)  # fmt: skip


@parser(
    *TEXTS, refuses=Rejected,
    tokens=(b"9", b".", b"-", b":", b"e", b"T", b"Z", b"+00:00", b"P1D", b",", b"_", b"\xd9\xa3", b"0"),
)  # fmt: skip
def text_as_a_type(data: bytes) -> None:
    texts = utf8_of(data).split("\n")
    for read in READERS:
        try:
            read(texts)
        except Rejected as rejected:
            last = rejected
            if not rejected.flaws:
                raise ValueError("rejected, and nothing said") from last


RECORDS = [codec_of(one) for one in (Order, Node, Contact, Filters, Signup, Model, dict[str, int])]
BODIES = (
    b'{"customerName":"A","lines":[{"sku":"mug","count":2,"price":"9.90"}],"at":"2026-11-23T08:00:00Z"}',
    b'{"customerName":"A","lines":[],"pet":{"type":"cat","lives":9},"numbers":{"1":2.5},"data":"AA=="}',
    b'{"value":1,"next":{"value":2}}', b'{"name":"Ada","age":36,"friends":[{"name":"B"}]}',
    b'{"name":"Ada","count":"x","inner":[{"name":"B","at":"2026"}]}', b'{"page":0,"words":["a"],"since":"2026-02-31"}',
)  # fmt: skip


@parser(*BODIES, *JSONS, tokens=(*JSON_TOKENS, b'{"next":', b'"lines":[', b'{"name":"a"},'))
def json_as_a_type(data: bytes) -> None:
    for record in RECORDS:
        try:
            record.decode_json(data)
        except Rejected as rejected:
            if not rejected.flaws:
                raise ValueError("rejected, and nothing said") from rejected


PACKED = tuple(msgspec.msgpack.encode(msgspec.json.decode(body)) for body in BODIES)


@parser(*PACKED, b"", b"\x91" * 600, b"\xdc\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc7\xff\x01",
        tokens=(b"\x91", b"\x81\xa1a", b"\xc1", b"\xcb", b"\xa4", b"\xd6\xff", b"\xdd\x00\x00\xff\xff"))  # fmt: skip
def msgpack_as_a_type(data: bytes) -> None:
    for record in RECORDS:
        try:
            record.decode_msgpack(data)
        except Rejected as rejected:
            if not rejected.flaws:
                raise ValueError("rejected, and nothing said") from rejected


@parser(
    dump_cursor(7), dump_cursor("a"), dump_cursor([1, "b"]), "", "=", "A", "é",
    refuses=ValueError, tokens=(b"A", b"W", b"=", b"-", b"_", b"W1"),
)  # fmt: skip
def cursor(data: bytes) -> None:
    text = text_of(data)
    for kind in (int, str, tuple[int, str], list[Any], datetime):
        try:
            key = parse_cursor(text, kind)
        except ValueError:
            continue
        equal(parse_cursor(dump_cursor(key), kind), key)


@parser(
    b'{"type":"about:blank","title":"x","status":404,"detail":"y"}', b'{"title":1,"status":"x"}', *JSONS[:30],
    refuses=ValueError, tokens=JSON_TOKENS,
)  # fmt: skip
def problem(data: bytes) -> None:
    parse_problem(data, 404)
    parse_problem(utf8_of(data), 404)


@parser(
    "application/msgpack", "application/json;q=0.5, application/vnd.msgpack", "*/*", "msgpack",
    *cases.HEADERS[0][1][:8], tokens=(b",", b";q=", b"application/msgpack", b"*/*", b";", b'"', b"0.5"),
    head=b"application/msgpack,",
)  # fmt: skip
def accept_msgpack(data: bytes) -> None:
    preferred_msgpack(text_of(data))
