"""A view's inputs, read out of a request.

`reader_of` makes one function of all that a view and its providers read. What is wrong with
path, query, header fields, cookies and body is gathered and told in one answer; a body that
cannot be read at all (its type, its size, its form) ends the reading at once.

An empty field of a form counts as one that was not sent, unless its type has empty text among
its values: a browser sends an empty number input so. `?page=` was written by somebody, and is
no number.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from types import NoneType
from typing import Any, NamedTuple

from werkzeug.wrappers import Request as RequestBase

from ...bodies import whole_body
from ...ctx import RequestContext
from ...queries import unescaped
from ...wrappers import Request
from ..kinds import bare, build, codec_of, is_scalar_list, members_of
from ..kinds.shapes import is_listed
from ..kinds.text import accepts_empty, words_of
from ..marks import Place
from ..model import NO_DEFAULT, Flaw, Input, Rejected
from ..problems import Invalid, Malformed, Problem
from .bodies import (
    FORM,
    JSON,
    MSGPACK,
    MULTIPART,
    body_kind,
    body_reader,
    content_type_of,
    within_depth,
)
from .bodies import body_of as body_of
from .forms import form_of
from .uploads import upload_of

_ACCEPTS = "application/json, application/msgpack"
_ACCEPTS_FORM = "application/x-www-form-urlencoded, multipart/form-data"

#: Fills in what it reads of a request, and what is wrong with it.
Step = Callable[[RequestContext, dict[Any, Any], list[Flaw]], None]
Read = Callable[[RequestContext], dict[Any, Any]]


class Leaf(NamedTuple):
    """An input and the key that its value gets among all that are read."""

    key: Hashable
    input: Input


def reader_of(app: Any, leaves: Sequence[Leaf]) -> Read:
    """One function that reads all `leaves`; its dict starts with the URL's variables.

    Inputs that were not sent and have a default are left out of the dict.
    """
    body_of = body_reader(app)
    makers: tuple[tuple[tuple[Place, ...], Callable[[list[Leaf]], Step]], ...] = (
        ((Place.PROVIDED,), _request_step),
        ((Place.PATH,), _path_step),
        ((Place.QUERY,), _query_step),
        ((Place.HEADER,), _header_step),
        ((Place.COOKIE,), _cookie_step),
        ((Place.STREAM,), _stream_step),
        ((Place.BODY,), lambda group: _body_step(app, group[0], body_of)),
        ((Place.FORM, Place.FILE), _form_step),
    )
    groups = ((make, [leaf for leaf in leaves if leaf.input.place in of]) for of, make in makers)
    read = _joined([make(group) for make, group in groups if group])
    sole = sole_reader(app, leaves)
    return read if sole is None else _with_path(leaves[0].key, sole, read)


#: What `sole_reader` gives where the request is not of the usual kind.
UNREAD: Any = object()


def sole_reader(app: Any, leaves: Sequence[Leaf]) -> Callable[[RequestContext], Any] | None:
    """What reads the value of the only input, where that is the body; None for other inputs.

    It takes a body of JSON. For any other request it returns UNREAD, and what `reader_of` made
    has to read that.
    """
    if [leaf.input.place for leaf in leaves] != [Place.BODY] or body_reader(app) is not body_of:
        return None
    kind = leaves[0].input.type
    decode = within_depth(app, kind, codec_of(kind).decode_json)

    def read_sole(ctx: RequestContext) -> Any:
        request = ctx.request
        exchange = request._exchange
        if exchange is None:
            content_type = request._environ.get("CONTENT_TYPE")
        else:
            content_type = exchange.header("content-type")
        if content_type != "application/json":
            return UNREAD
        data = whole_body(request, ctx.app.config)  # `body_of`, without the call
        if not data:
            return UNREAD
        request._cached_data = data
        try:
            return decode(data)
        except (Rejected, RecursionError) as error:
            raise Invalid(_flaws_of_body(error)) from None

    return read_sole


def _with_path(key: Hashable, sole: Callable[[RequestContext], Any], careful: Read) -> Read:
    def read(ctx: RequestContext) -> dict[Any, Any]:
        value = sole(ctx)
        return careful(ctx) if value is UNREAD else {**(ctx.request.view_args or {}), key: value}

    return read


def is_request(input: Input) -> bool:
    """Whether the parameter is given the request itself, by its type."""
    return input.provided is None and any(
        isinstance(kind := bare(member)[0], type) and issubclass(kind, RequestBase)
        for member in members_of(input.type)
    )


def _joined(steps: list[Step]) -> Read:
    if not steps:
        return lambda ctx: dict(ctx.request.view_args)

    def read(ctx: RequestContext) -> dict[Any, Any]:
        values: dict[Any, Any] = dict(ctx.request.view_args)
        flaws: list[Flaw] = []
        for step in steps:
            step(ctx, values, flaws)
        if flaws:
            raise Invalid(flaws)
        return values

    return read


# One value, or a struct of several.


class _Value:
    """How one input is made of the texts that were sent under its name."""

    __slots__ = ("accepts", "convert", "input", "is_list", "is_required", "key", "place", "wire")

    def __init__(self, key: Hashable, input: Input) -> None:
        self.key = key
        self.input = input
        self.place = input.place
        self.wire = input.key or input.name
        self.is_list = is_scalar_list(input.type) or is_listed(input.type)
        self.is_required = input.default is NO_DEFAULT
        self.accepts = input.accepts
        self.convert: Any = None
        if input.place is not Place.FILE:
            self.convert = _shortcut(input.type) or codec_of(input.type).from_text


def _shortcut(type: Any) -> Any:
    return _last if type is str else None


def _last(texts: list[str]) -> str:
    return texts[-1]


class _Struct(NamedTuple):
    """A struct that is put together of several values."""

    key: Hashable
    type: Any
    values: list[_Value]
    is_required: bool


def _parts_of(group: Iterable[Leaf]) -> tuple[list[_Value], list[_Struct]]:
    values: list[_Value] = []
    structs: list[_Struct] = []
    for key, input in group:
        if input.fields:
            fields = [_Value(field.name, field) for field in input.fields]
            (record,) = (part for part in members_of(input.type) if bare(part)[0] is not NoneType)
            structs.append(_Struct(key, record, fields, input.is_required))
        else:
            values.append(_Value(key, input))
    return values, structs


Texts = Callable[[_Value], list[Any] | None]


def _take(texts_of: Texts, wanted: list[_Value], into: dict[Any, Any], flaws: list[Flaw]) -> None:
    for value in wanted:
        texts = texts_of(value)
        try:
            if texts is None:
                if value.is_required:
                    flaws.append(_missing(value))
            elif value.convert is None:
                into[value.key] = _uploads(texts, value)
            else:
                into[value.key] = value.convert(texts)
        except Rejected as rejected:
            flaws.extend(_located((_place(value), value.wire), rejected))


def _missing(value: _Value) -> Flaw:
    expected = "a file" if value.convert is None else words_of(value.input.type)
    return Flaw((_place(value), value.wire), expected, "nothing")


def _place(value: _Value) -> str:
    return Place.FORM.value if value.place is Place.FILE else value.place.value


def _uploads(parts: list[Any], value: _Value) -> Any:
    if value.is_list:
        return [upload_of(part, value.accepts) for part in parts]
    return upload_of(parts[-1], value.accepts)


def _located(place: tuple[str | int, ...], rejected: Rejected) -> list[Flaw]:
    return [Flaw((*place, *flaw.location), flaw.expected, flaw.got) for flaw in rejected.flaws]


def _take_structs(
    texts_of: Texts, structs: list[_Struct], into: dict[Any, Any], flaws: list[Flaw]
) -> None:
    for struct in structs:
        if not struct.is_required and all(texts_of(value) is None for value in struct.values):
            continue
        fields: dict[Any, Any] = {}
        before = len(flaws)
        _take(texts_of, struct.values, fields, flaws)
        if len(flaws) == before:
            try:
                into[struct.key] = build(struct.type, fields)
            except Rejected as rejected:
                place = _place(struct.values[0]) if struct.values else Place.BODY.value
                flaws.extend(_located((place,), rejected))


def _step_of(group: list[Leaf], texts_in: Callable[[RequestContext], Texts]) -> Step:
    wanted, structs = _parts_of(group)

    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        texts_of = texts_in(ctx)
        _take(texts_of, wanted, values, flaws)
        if structs:
            _take_structs(texts_of, structs, values, flaws)

    return step


# The places.


def _request_step(group: list[Leaf]) -> Step:
    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        for leaf in group:
            values[leaf.key] = ctx.request

    return step


def _path_step(group: list[Leaf]) -> Step:
    """Converts the URL's variables that are annotated with more than their converter gives."""
    wanted = [(key, input.name, codec_of(input.type)) for key, input in group]

    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        sent: Any = ctx.request.view_args
        for key, name, codec in wanted:
            if name not in sent:
                continue  # a URL value preprocessor took it
            try:
                values[key] = codec.from_builtins(sent[name], lax=True)
            except Rejected as rejected:
                flaws.extend(_located((Place.PATH.value, name), rejected))

    return step


def _query_step(group: list[Leaf]) -> Step:
    wanted, structs = _parts_of(group)
    if structs or any(value.is_list for value in wanted):

        def texts_in(ctx: RequestContext) -> Texts:
            found: dict[str, list[str]] = {}
            for name, text in query_pairs(ctx.request):
                found.setdefault(name, []).append(text)
            return lambda value: found.get(value.wire)

        return _step_of(group, texts_in)

    # Scalars alone: the last of equal names counts, which is what a dict keeps.
    fields = [(each.key, each.wire, each.convert, each.is_required, each) for each in wanted]

    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        found = dict(query_pairs(ctx.request))
        for key, wire, convert, is_required, value in fields:
            if wire in found:
                try:
                    values[key] = convert((found[wire],))
                except Rejected as rejected:
                    flaws.extend(_located((Place.QUERY.value, wire), rejected))
            elif is_required:
                flaws.append(_missing(value))

    return step


def query_pairs(request: Request) -> list[Any]:
    """The names and texts of the query, in their order; Malformed (400) where they are no UTF-8."""
    exchange = request._exchange
    if exchange is None:
        query: str = request._environ.get("QUERY_STRING", "")
    else:
        query = exchange.query_string.decode("latin-1")
    try:
        if not query.isascii():
            query = query.encode("latin-1").decode()
        query = query.replace("+", " ")
        pairs = [field.partition("=")[::2] for field in query.split("&") if field]
        if "%" in query:
            return [(unescaped(name, "strict"), unescaped(text, "strict")) for name, text in pairs]
        return pairs
    except UnicodeError:
        raise Malformed([Flaw((Place.QUERY.value,), "UTF-8", "other bytes")]) from None


def _header_step(group: list[Leaf]) -> Step:
    keys = {leaf.input.key or leaf.input.name for leaf in group if not leaf.input.fields}
    keys.update(field.key or field.name for leaf in group for field in leaf.input.fields)
    environ_keys = {key: _environ_key(key) for key in keys}

    def texts_in(ctx: RequestContext) -> Texts:
        request = ctx.request
        exchange = request._exchange

        def texts_of(value: _Value) -> list[str] | None:
            if exchange is None:
                text = request._environ.get(environ_keys[value.wire])
            elif value.is_list:
                text = request.headers.get(value.wire)
            else:
                text = exchange.header(value.wire.lower())
            if text is None:
                return None
            return [part.strip() for part in text.split(",")] if value.is_list else [text]

        return texts_of

    return _step_of(group, texts_in)


def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _cookie_step(group: list[Leaf]) -> Step:
    def texts_in(ctx: RequestContext) -> Texts:
        cookies = ctx.request.cookies
        return lambda value: cookies.getlist(value.wire) or None

    return _step_of(group, texts_in)


def _stream_step(group: list[Leaf]) -> Step:
    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        for leaf in group:
            values[leaf.key] = ctx.request.body_stream

    return step


# The body.


def _body_step(app: Any, leaf: Leaf, body_of: Callable[[RequestContext], bytes]) -> Step:
    codec = codec_of(leaf.input.type)
    decode_json = within_depth(app, leaf.input.type, codec.decode_json)
    key, is_required = leaf.key, leaf.input.is_required

    def step(ctx: RequestContext, values: dict[Any, Any], flaws: list[Flaw]) -> None:
        content_type = content_type_of(ctx.request)
        data = body_of(ctx)
        if not data and (content_type is None or not is_required):
            if is_required:
                flaws.append(Flaw((Place.BODY.value,), "a body", "nothing"))
            return
        kind = body_kind(content_type)
        if kind is not JSON and kind is not MSGPACK:
            raise _unsupported(content_type, _ACCEPTS)
        try:
            values[key] = (decode_json if kind is JSON else codec.decode_msgpack)(data)
        except (Rejected, RecursionError) as error:
            flaws.extend(_flaws_of_body(error))

    return step


def _flaws_of_body(error: Rejected | RecursionError) -> list[Flaw]:
    """What is wrong with a body; raises Malformed (400) where it is not well-formed."""
    if isinstance(error, RecursionError):
        raise Malformed([Flaw((Place.BODY.value,), "less nesting", "too much of it")]) from None
    located = _located((Place.BODY.value,), error)
    if error.is_malformed:
        raise Malformed(located) from None
    return located


def _unsupported(content_type: str | None, accepts: str) -> Problem:
    what = "one without a Content-Type" if not content_type else "another"
    return Problem(
        415, f"The body is to be {accepts}, and was {what}.", headers={"Accept": accepts}
    )


def _form_step(group: list[Leaf]) -> Step:
    wants_files = any(
        input.place is Place.FILE for leaf in group for input in (leaf.input, *leaf.input.fields)
    )
    accepts = "multipart/form-data" if wants_files else _ACCEPTS_FORM
    inputs = [field for leaf in group for field in leaf.input.fields or (leaf.input,)]
    # Fields that a browser sends empty where nothing was put in, and that nothing is no value of.
    blank = {
        each.key or each.name
        for each in inputs
        if each.place is Place.FORM and not accepts_empty(each.type)
    }

    def texts_in(ctx: RequestContext) -> Texts:
        request = ctx.request
        content_type = content_type_of(request)
        if content_type is not None and body_kind(content_type) not in (FORM, MULTIPART):
            raise _unsupported(content_type, accepts)
        form = form_of(request)
        if content_type is None and request.get_data():
            raise _unsupported(content_type, accepts)

        def texts_of(value: _Value) -> list[Any] | None:
            if value.convert is None:
                return [part for part in request.files.getlist(value.wire) if part.filename] or None
            texts = form.getlist(value.wire)
            if value.wire in blank and "" in texts:
                texts = [text for text in texts if text] if value.is_list else texts[-1:]
                return None if texts in ([], [""]) else texts
            return texts or None

        return texts_of

    return _step_of(group, texts_in)
