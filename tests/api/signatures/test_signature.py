"""What views read and answer by their annotations, and every message of what is wrong."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import msgspec
import pytest
from msgspec import Meta

from hipflask import Request, WebSocket
from hipflask.api.inputs.uploads import Upload
from hipflask.api.marks import (
    Accepts,
    Body,
    Cookie,
    File,
    Form,
    Header,
    Name,
    Path,
    Place,
    Provide,
    Query,
    Supplied,
    status,
)
from hipflask.api.model import NO_DEFAULT, Input, Output
from hipflask.api.signatures.signature import function_of, signature_of
from hipflask.scaffold import SetupError
from hipflask.streams import BodyStream
from hipflask.views import MethodView, View

if TYPE_CHECKING:
    from nowhere import Unknown

F = TypeVar("F", bound=Callable[..., Any])


class Item(msgspec.Struct):
    price: int


class Filters(msgspec.Struct):
    words: str
    per_page: Annotated[int, Meta(ge=1)] = msgspec.field(default=20, name="perPage")
    tags: list[str] = []


class Nested(msgspec.Struct):
    item: Item


class User(msgspec.Struct):
    name: str


class Admin(User):
    pass


@dataclasses.dataclass
class Sheet:
    title: str
    scan: Annotated[Upload, Accepts("image/*")]
    more: list[Upload] = dataclasses.field(default_factory=list)


def inputs(
    view: Callable[..., Any], url: Any = (), method: str | None = None
) -> list[tuple[str, Place, str, Any]]:
    found = signature_of(view, url, method).inputs
    return [(each.name, each.place, each.key, each.type) for each in found]


def only(view: Callable[..., Any], url: Any = ()) -> Input:
    (found,) = signature_of(view, url).inputs
    return found


def refused(view: Callable[..., Any], url: Any = (), method: str | None = None) -> str:
    """The SetupError's text after "file:line: "; checks file and line."""
    with pytest.raises(SetupError) as caught:
        signature_of(view, url, method)
    where, line, text = str(caught.value).split(":", 2)
    assert where == __file__
    assert int(line) > 0
    return text.strip()


# Places.


def test_places_by_type() -> None:
    def view(
        item: Item,
        page: int,
        words: list[str],
        request: Request,
        order_id: int,
        slug: str,
        free=1,  # type: ignore[no-untyped-def]  # noqa: ANN001
        *args: Any,
        socket: WebSocket,
        **kwargs: Any,
    ) -> None: ...

    assert inputs(view, ["order_id", "slug"]) == [
        ("item", Place.BODY, "", Item),
        ("page", Place.QUERY, "page", int),
        ("words", Place.QUERY, "words", list[str]),
        ("request", Place.PROVIDED, "", Request),
        ("order_id", Place.PATH, "order_id", int),
        ("socket", Place.PROVIDED, "", WebSocket),
    ]


def test_places_by_mark() -> None:
    def view(
        a: Query[int],
        b_c: Header[str],
        d: Annotated[Header[str], Name("X-D")],
        e: Cookie[str] | None,
        f: Body[dict[str, int]],
        g: Supplied[complex],
        h: Annotated[Query[int], Meta(ge=1)],
        i: Path[str],
    ) -> None: ...

    assert inputs(view, ["i"]) == [
        ("a", Place.QUERY, "a", int),
        ("b_c", Place.HEADER, "b-c", str),
        ("d", Place.HEADER, "X-D", str),
        ("e", Place.COOKIE, "e", str | None),
        ("f", Place.BODY, "", dict[str, int]),
        ("g", Place.SUPPLIED, "", complex),
        ("h", Place.QUERY, "h", Annotated[int, Meta(ge=1)]),
        ("i", Place.PATH, "i", str),
    ]


def test_files_and_streams() -> None:
    def view(
        scan: Annotated[Upload, Accepts("image/png", max_bytes=9)],
        more: list[Upload],
        named: Annotated[File[Upload], Name("the-file")],
        title: Form[str],
        none: Upload | None = None,
    ) -> None: ...

    found = signature_of(view).inputs
    assert [(each.name, each.place, each.key) for each in found] == [
        ("scan", Place.FILE, "scan"),
        ("more", Place.FILE, "more"),
        ("named", Place.FILE, "the-file"),
        ("title", Place.FORM, "title"),
        ("none", Place.FILE, "none"),
    ]
    assert found[0].accepts is not None
    assert (found[0].accepts.types, found[0].accepts.max_bytes) == (("image/png",), 9)
    assert found[4].default is None

    def stream(body: BodyStream) -> None: ...

    assert inputs(stream) == [("body", Place.STREAM, "", BodyStream)]


def test_variables_of_the_url_that_need_nothing_done() -> None:
    def view(number: int, word: str, made: User, other: float) -> None: ...

    assert inputs(view, {"number": int, "word": str, "made": str, "other": int}) == [
        ("other", Place.PATH, "other", float)
    ]
    assert not signature_of(
        view, {"number": int, "word": str, "made": str, "other": float}
    ).is_typed


def test_defaults() -> None:
    def view(a: int, b: int = 3, c: str | None = None, item: Item | None = None) -> None: ...

    found = signature_of(view).inputs
    assert [each.default for each in found] == [NO_DEFAULT, 3, None, None]
    assert [each.is_required for each in found] == [True, False, False, False]


@pytest.mark.parametrize("place", [Place.QUERY, Place.HEADER, Place.COOKIE, Place.FORM])
def test_a_record_is_spread(place: Place) -> None:
    mark = {"query": Query, "header": Header, "cookie": Cookie, "form": Form}[place.value]

    def view(filters: Any) -> None: ...

    view.__annotations__["filters"] = mark[Filters]
    found = only(view)
    assert (found.place, found.key, found.type) == (place, "", Filters)
    assert [
        (each.name, each.place, each.key, each.type, each.default) for each in found.fields
    ] == [
        ("words", place, "words", str, NO_DEFAULT),
        ("per_page", place, "perPage", Annotated[int, Meta(ge=1)], 20),
        ("tags", place, "tags", list[str], []),
    ]


def test_fields_of_headers_get_dashes_and_names_of_their_own() -> None:
    class Trace(msgspec.Struct):
        trace_id: str
        old: Annotated[str, Name("X-Old")] = ""

    def view(trace: Any) -> None: ...

    view.__annotations__["trace"] = Header[Trace] | None
    assert [(each.name, each.key, each.type) for each in only(view).fields] == [
        ("trace_id", "trace-id", str),
        ("old", "X-Old", str),
    ]


def test_a_form_of_fields_and_files() -> None:
    def view(sheet: Form[Sheet]) -> None: ...

    assert [(each.name, each.place, each.key) for each in only(view).fields] == [
        ("title", Place.FORM, "title"),
        ("scan", Place.FILE, "scan"),
        ("more", Place.FILE, "more"),
    ]
    assert only(view).fields[1].accepts is not None


def test_marks_of_annotated_types_become_meta() -> None:
    at = pytest.importorskip("annotated_types")

    def view(page: Any, item: Any) -> None: ...

    view.__annotations__["page"] = Annotated[int, at.Ge(1)]
    view.__annotations__["item"] = Body[list[Annotated[int, at.Ge(1)]]]
    assert [each[3] for each in inputs(view)] == [
        Annotated[int, Meta(ge=1)],
        list[Annotated[int, Meta(ge=1)]],
    ]


def test_a_plain_view_is_not_typed() -> None:
    def view(order_id: str, more=None, **rest: Any) -> str: ...  # type: ignore[no-untyped-def,empty-body]  # noqa: ANN001

    assert not signature_of(view, ["order_id"]).is_typed
    assert signature_of(view, ["order_id"]).inputs == ()


# Providers.


def token(x_token: Header[str] = "") -> str:
    return x_token


def current_user(request: Request, text: str = Provide(token)) -> Iterator[User]:
    yield User("a")


async def current_admin() -> Admin:
    return Admin("a")


async def users() -> AsyncIterator[User]:
    yield User("a")


def bare(words: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return words


class Service:
    def __init__(self, page: int) -> None: ...

    def __call__(self, words: str) -> User:
        return User(words)


def test_both_forms_of_provide_and_what_a_provider_needs() -> None:
    def view(
        user: Annotated[User, Provide(current_user)], other: User = Provide(current_user)
    ) -> None: ...

    first, second = signature_of(view).inputs
    assert (first.place, first.type) == (Place.PROVIDED, User)
    assert first.provided == second.provided
    assert first.needs == second.needs
    request, text = first.needs
    assert (request.place, request.type) == (Place.PROVIDED, Request)
    assert text.provided is not None
    assert text.provided.provider is token
    assert [(each.place, each.key, each.default) for each in text.needs] == [
        (Place.HEADER, "x-token", "")
    ]


def test_a_provider_may_be_anything_callable() -> None:
    def view(
        service: Service = Provide(Service),
        user: User = Provide(Service(1)),
        part: Any = Provide(functools.partial(bare, words="x")),
        free=Provide(token),  # type: ignore[no-untyped-def]  # noqa: ANN001
        admin: User = Provide(current_admin),
        one: User = Provide(users),
    ) -> None: ...

    found = signature_of(view).inputs
    assert [each.type for each in found] == [Service, User, Any, str, User, User]
    assert [[need.name for need in each.needs] for each in found] == [
        ["page"],
        ["words"],
        [],
        ["x_token"],
        [],
        [],
    ]


def test_a_provider_may_take_a_variable_of_the_url() -> None:
    def order(order_id: int) -> Item: ...  # type: ignore[empty-body]

    def view(item: Item = Provide(order)) -> None: ...

    assert [need.place for need in only(view, ["order_id"]).needs] == [Place.PATH]


class Named(Protocol):
    name: str


def test_types_of_providers_that_pass() -> None:
    def maybe() -> User | None: ...

    def anything() -> Any: ...

    def number() -> int: ...  # type: ignore[empty-body]

    @contextmanager
    def opened() -> Iterator[int]:
        yield 1

    def view(
        a: User | None = Provide(maybe),
        b: User = Provide(anything),
        c: Named = Provide(current_admin),
        d: float = Provide(number),
        e: str = Provide(opened),  # a decorator may make anything of it
        f: object = Provide(maybe),
    ) -> None: ...

    assert len(signature_of(view).inputs) == 6


# What a view may be.


def wrapping(view: F) -> F:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def hiding(view: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def plain(item: Item, page: int = 1) -> Item:
    return item


PLAIN = [("item", Place.BODY, "", Item), ("page", Place.QUERY, "page", int)]


def test_wrappers_are_looked_through() -> None:
    view = wrapping(wrapping(plain))
    assert inputs(view) == PLAIN
    assert signature_of(view).output == Output(Item)
    assert function_of(view) is plain


def test_a_wrapper_with_parameters_of_its_own_adds_them() -> None:
    def adding(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapper(*args: Any, lang: Header[str] = "en", **kwargs: Any) -> Any: ...

        wrapper.__annotations__ = {"lang": Header[str]}
        return wrapper

    assert inputs(adding(plain)) == [("lang", Place.HEADER, "lang", str), *PLAIN]


def test_the_first_without_kwargs_ends_the_search() -> None:
    def narrowing(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapper(item: Item) -> Any: ...

        return wrapper

    assert inputs(narrowing(plain)) == PLAIN[:1]
    assert function_of(narrowing(plain)) is plain


def test_methods_partials_and_callable_objects() -> None:
    class Views:
        def show(self, item: Item, page: int = 1) -> Item: ...  # type: ignore[empty-body]

        __call__ = show

    assert inputs(Views().show) == PLAIN
    assert inputs(Views()) == PLAIN
    assert inputs(functools.partial(plain, page=2)) == PLAIN[:1]
    assert inputs(functools.partial(plain, Item(1))) == PLAIN[1:]
    assert function_of(Views()) is Views.show
    assert function_of(functools.partial(plain)) is plain


class Items(MethodView):
    decorators = [wrapping]

    def get(self, page: int = 1) -> list[Item]:
        return []

    @wrapping
    def post(self, item: Item) -> Annotated[Item, status(201)]:
        return item

    @staticmethod
    def put(item: Item) -> str:
        return ""


def test_method_views_by_method() -> None:
    view = Items.as_view("items")
    assert inputs(view, (), "GET") == [("page", Place.QUERY, "page", int)]
    assert inputs(view, (), "HEAD") == inputs(view, (), "GET")
    assert inputs(view, (), "POST") == inputs(view, (), "PUT") == [("item", Place.BODY, "", Item)]
    assert signature_of(view, (), "POST").output == Output(Item, status=201)
    assert signature_of(view, (), "PUT").output is None
    assert function_of(view, "POST").__qualname__ == "Items.post"


def test_view_classes() -> None:
    class Show(View):
        def dispatch_request(self, item: Item) -> Item:  # type: ignore[override]
            return item

    view = Show.as_view("show")
    assert inputs(view) == [("item", Place.BODY, "", Item)]
    assert function_of(view) is Show.dispatch_request


def test_a_plain_view_with_kwargs_alone() -> None:
    def view(*args: Any, **kwargs: Any) -> str: ...  # type: ignore[empty-body]

    assert not signature_of(view, ["a"]).is_typed
    assert not signature_of(hiding(lambda: ""), ["a"]).is_typed


def test_names_of_the_closure_are_known() -> None:
    class Local(msgspec.Struct):
        x: int

    def view(item: Local) -> Local:
        return Local(item.x)

    assert inputs(view) == [("item", Place.BODY, "", Local)]


# Messages.


def test_message_of_a_type_without_a_place() -> None:
    def view(data: dict[str, int]) -> None: ...

    assert refused(wrapping(view)) == (
        "view test_message_of_a_type_without_a_place.<locals>.view: parameter 'data':"
        " dict[str, int] is neither a record (Struct, dataclass, TypedDict, attrs or pydantic"
        " class), nor a scalar, nor a list of scalars. For a JSON body write Body[dict[str,"
        " int]]; for what a function gives, = Provide(function); for what a decorator fills,"
        " Supplied[dict[str, int]] (around this view: wrapping)."
    )


def test_message_of_two_bodies() -> None:
    def view(first: Item, second: Filters) -> None: ...

    assert refused(view) == (
        "view test_message_of_two_bodies.<locals>.view: 'first' (body) and 'second' (body) all"
        " want the request's body. Gather what one body holds in one class; for a record from"
        " the query write Query[...]; for what a decorator fills, Supplied[...]."
    )


def test_bodies_of_providers_count_too() -> None:
    def reads(item: Item) -> User: ...  # type: ignore[empty-body]

    def view(title: Form[str], user: User = Provide(reads)) -> None: ...

    assert "'title' (form) and 'item' (body) all want" in refused(view)

    def twice(a: User = Provide(reads), b: User = Provide(reads)) -> None: ...

    assert len(signature_of(twice).inputs) == 2


def test_message_of_an_unknown_name() -> None:
    def view(item: Unknown) -> None: ...

    def answer(page: int) -> list[Unknown]: ...  # type: ignore[empty-body]

    start = "view test_message_of_an_unknown_name.<locals>"
    way_out = (
        "Import it at module level (not under TYPE_CHECKING), and define types of views at"
        " module level."
    )
    assert refused(view) == (
        f"{start}.view: parameter 'item': the name 'Unknown' in 'Unknown' is not known in its"
        f" module. {way_out}"
    )
    assert refused(answer) == (
        f"{start}.answer: the return annotation: the name 'Unknown' in 'list[Unknown]' is not"
        f" known in its module. {way_out}"
    )


def test_names_for_type_checkers_alone_leave_a_view_to_flask() -> None:
    def answer() -> list[Unknown]: ...  # type: ignore[empty-body]

    def variable(number: Unknown, other: int = 1) -> str: ...  # type: ignore[empty-body]

    assert signature_of(answer) == signature_of(plain_answer)
    assert "the name 'Unknown'" in refused(variable)
    assert "the name 'Unknown'" in refused(variable, {"number": int})
    assert not signature_of(variable, {"number": int, "other": int}).is_typed


def plain_answer() -> str: ...  # type: ignore[empty-body]


def test_a_name_that_is_nowhere_is_a_mistake() -> None:
    def answer() -> Typo: ...  # type: ignore[name-defined]  # noqa: F821

    def of_provider() -> Unknown: ...

    def view(given: Any = Provide(of_provider)) -> None: ...

    assert "the name 'Typo' in 'Typo' is not known" in refused(answer)
    with pytest.raises(SetupError, match="provider .*of_provider: .*'Unknown'"):
        signature_of(view)


def test_message_of_an_annotation_that_cannot_be_evaluated() -> None:
    def view(item: Any) -> None: ...

    view.__annotations__["item"] = "1 +"
    assert refused(view).startswith(
        "view test_message_of_an_annotation_that_cannot_be_evaluated.<locals>.view: parameter"
        " 'item': '1 +' cannot be evaluated: "
    )


def test_message_of_a_hidden_view() -> None:
    text = refused(hiding(plain))
    assert text.startswith("view plain: the decorator hiding (")
    assert text.endswith(
        ") hides its parameters. Let the decorator's wrapper take **kwargs and decorate it with"
        " functools.wraps(view)."
    )


def test_message_of_a_view_behind_args_alone() -> None:
    def positional(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapper(*args: Any) -> Any: ...

        return wrapper

    assert "hides its parameters" in refused(positional(plain))


def test_message_of_a_disagreement_with_a_decorator() -> None:
    def deciding(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapper(page: str, **kwargs: Any) -> Any: ...

        wrapper.__annotations__ = {"page": str}
        return wrapper

    text = refused(deciding(plain))
    assert text.startswith("view plain: parameter 'page' is str for the decorator ")
    assert text.endswith(
        "and int for the view. Give both the same annotation, or mark the one of the view"
        " Supplied[...] and give the decorator's another name."
    )


def test_message_of_a_circle() -> None:
    def chicken(other: Any) -> int: ...  # type: ignore[empty-body]

    def egg(other: int = Provide(chicken)) -> int: ...  # type: ignore[empty-body]

    chicken.__defaults__ = (Provide(egg),)

    def view(a: int = Provide(egg)) -> None: ...

    assert refused(view) == (
        "provider test_message_of_a_circle.<locals>.chicken: parameter 'other': its provider"
        " needs itself: test_message_of_a_circle.<locals>.egg ->"
        " test_message_of_a_circle.<locals>.chicken -> test_message_of_a_circle.<locals>.egg."
        " Break the circle."
    )


def test_messages_of_a_provider_of_another_type() -> None:
    def maybe() -> User | None: ...

    def wrong(a: int = Provide(current_user)) -> None: ...  # type: ignore[assignment]

    def less(a: Admin = Provide(current_user)) -> None: ...  # type: ignore[assignment]

    def none(a: User = Provide(maybe)) -> None: ...  # type: ignore[assignment]

    def lists(a: list[User] = Provide(maybe)) -> None: ...  # type: ignore[assignment]

    assert ".wrong: parameter 'a' is int, but its provider current_user (" in refused(wrong)
    assert refused(wrong).endswith(") gives User. Correct one of the two annotations.")
    assert refused(less).endswith(") gives User. Correct one of the two annotations.")
    assert refused(none).endswith("Take None as well, or let the provider raise instead.")
    assert "parameter 'a' is list[" in refused(lists)


def test_message_of_a_provider_that_outlives_its_needs() -> None:
    def view(a: User = Provide(current_user, scope="app")) -> None: ...

    assert refused(view) == (
        "view test_message_of_a_provider_that_outlives_its_needs.<locals>.view: parameter 'a':"
        " its provider current_user lives as long as the application, but its parameter"
        " 'request' is of one request. Take the parameter away, or leave out scope=\"app\"."
    )

    def number() -> int: ...  # type: ignore[empty-body]

    def pool(a: int = Provide(number, scope="app")) -> User: ...  # type: ignore[empty-body]

    def good(a: User = Provide(pool, scope="app")) -> None: ...

    assert len(signature_of(good).inputs) == 1


def test_message_of_a_provider_that_is_none() -> None:
    def view(a: User = Provide(3)) -> None: ...  # type: ignore[call-overload]

    assert refused(view).endswith(
        "parameter 'a': Provide(3) has no function in it. Give it a callable."
    )


def test_message_of_text_that_cannot_hold_a_type() -> None:
    def view(a: Query[dict[str, int]]) -> None: ...

    def nested(a: Query[Nested]) -> None: ...

    def lists(a: Query[list[Item]]) -> None: ...

    assert refused(view).endswith(
        "parameter 'a': dict[str, int] cannot be read from text (query). Only scalars, lists of"
        " scalars and records of these can; read it from the body with Body[dict[str, int]]."
    )
    assert refused(nested).endswith(
        "parameter 'a.item': Item cannot be a field of a query, which has no records in it."
        " Spread its fields, or read a JSON body."
    )
    assert "cannot be read from text (query)" in refused(lists)


def test_message_of_a_path_without_a_variable() -> None:
    def view(a: Path[int]) -> None: ...

    assert refused(view).endswith(
        "parameter 'a' is marked Path, but the rule has no such variable. Add <a> to the rule."
    )


def test_message_of_a_positional_only_parameter() -> None:
    def view(a: int, /) -> None: ...

    assert refused(view).endswith(
        "parameter 'a' is positional-only. Parameters of views are filled by name: take the / away."
    )


class Odd(msgspec.Struct):
    number: complex


def test_message_of_a_type_nobody_reads_or_writes() -> None:
    def view(odd: Odd) -> None: ...

    def answer() -> Odd: ...  # type: ignore[empty-body]

    assert refused(view).endswith(
        "parameter 'odd': Odd cannot be read: builtins.complex is neither a record (Struct,"
        " dataclass, TypedDict, attrs or pydantic class) nor a scalar that JSON has a form for."
        " Choose another type."
    )
    assert "the return annotation: Odd cannot be written: builtins.complex" in refused(answer)


def test_message_of_a_method_the_class_lacks() -> None:
    with pytest.raises(SetupError) as caught:
        signature_of(Items.as_view("items"), (), "PATCH")
    assert str(caught.value) == (
        f"{Items.__module__}.Items has no method patch() for PATCH. Define it, or take PATCH out"
        " of the rule's methods."
    )
