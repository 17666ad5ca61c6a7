"""Errors as problem details (RFC 9457): what a typed view answers where Flask sends a page.

    raise Problem(409, "Only 3 are left.", type="/problems/stock", left=3)

is answered as `application/problem+json` from any view, typed or not. Every other HTTP
exception of a typed view (`abort(404)`, a 405, an exception nobody caught) is answered the
same way, with the headers it has. An error handler of the application comes first, as in
Flask; `replace` changes the form of all of them, `everywhere` takes in plain views and URLs
that lead to no view.

Always JSON, also for who asks for msgpack: RFC 9457 knows no such form, and a client that
is told it did something wrong is best told so in text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self
from urllib.parse import quote

import msgspec
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    UnprocessableEntity,
    default_exceptions,
)

from ..errors import response_of
from ..globals import _cv_request
from .model import Flaw, Rejected

MEDIA_TYPE = "application/problem+json"

# Where the application keeps what `replace` was given.
_KEY = "hipflask.problems"

# The members that RFC 9457 gives a meaning, and their types.
_MEMBERS: dict[str, type] = {
    "type": str, "title": str, "status": int, "detail": str, "instance": str
}  # fmt: skip


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """The body of an error, as a client reads it: `msgspec.json.decode(body, type=...)`.

    What the document shows for `Problem` and its subclasses. Further members may follow.
    """

    #: A short summary of the kind of problem; the phrase of the status where there is no more.
    title: str
    #: The status code.
    status: int
    #: A URI reference that names the kind of problem.
    type: str = "about:blank"
    #: What happened in this case.
    detail: str | msgspec.UnsetType = msgspec.UNSET
    #: The path that was asked for.
    instance: str | msgspec.UnsetType = msgspec.UNSET
    #: What was wrong with the values that were sent, one by one.
    errors: list[Flaw] | msgspec.UnsetType = msgspec.UNSET


class Problem(HTTPException):
    """An error answered as problem details: raise it with a status of 400 to 599.

    `type` is a URI reference naming the kind of problem, `title` its summary (the status's
    phrase if left out), `detail` what happened this time, `headers` fields of the answer;
    other keywords become members of the body. `instance` is the request's path if left out.
    Raises ValueError for another status.

    A subclass names a kind once, and is caught by handlers for its status, for itself and
    for Werkzeug's exception of the status:

        class OutOfStock(Problem):
            code = 409
            type = "/problems/out-of-stock"
            title = "Out of stock"

        raise OutOfStock(detail="Only 3 are left.", left=3)
    """

    type: str = "about:blank"
    title: str | None = None

    def __new__(cls, status: int | None = None, *args: Any, **kwargs: Any) -> Self:
        """An instance of `cls` that is also one of Werkzeug's exception of that status."""
        code = cls.code if status is None else status
        kind = default_exceptions.get(code or 0)
        if kind is None or issubclass(cls, kind):
            return super().__new__(cls)
        found = _kinds.get((cls, kind))
        if found is None:
            body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
            found = _kinds[cls, kind] = type(cls.__name__, (cls, kind), body)
        made: Self = super().__new__(found)
        return made

    def __init__(
        self,
        status: int | None = None,
        detail: str | None = None,
        *,
        title: str | None = None,
        type: str | None = None,
        instance: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        **extensions: Any,
    ) -> None:
        code = self.code if status is None else int(status)
        if code is None or not 400 <= code <= 599:
            raise ValueError(
                f"A problem has a status of 400 to 599, and {_class_name(self)} was raised with"
                f" {code}. Give it as the first argument, or as `code` of a subclass."
            )
        # Not the next class in line: Werkzeug's want arguments of their own.
        HTTPException.__init__(self, detail)
        self.code = code
        if detail is None:
            self.description = _own_description(self)
        if title is not None:
            self.title = title
        if type is not None:
            self.type = type
        self.instance = instance
        self.headers = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        self.extensions = extensions

    @property
    def status(self) -> int:
        """The status code."""
        return self.code or 500

    @property
    def detail(self) -> str | None:
        """What happened in this case, or None."""
        return None if self.description is None else _text(self.description)

    def members(self, instance: str | None = None) -> dict[str, Any]:
        """The body's members, in the order they are sent; `instance` for one that has none."""
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title or self.name,
            "status": self.status,
        }
        if self.detail is not None:
            body["detail"] = self.detail
        if (instance := self.instance or instance) is not None:
            body["instance"] = instance
        body.update(self.extensions)
        return body

    def get_body(self, environ: Any = None, scope: Any = None) -> str:
        """The body as JSON text; what Werkzeug calls where no application makes the answer."""
        instance = None
        if environ is not None:
            path = (environ.get("SCRIPT_NAME") or "") + (environ.get("PATH_INFO") or "")
            instance = quote(path.encode("latin-1", "replace"))
        return dump_members(self.members(instance)).decode()

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        """The header fields, content type first."""
        return [("Content-Type", MEDIA_TYPE), *self.headers]


# Made at the first raise of each: a class and Werkzeug's exception of a status, joined.
_kinds: dict[tuple[type, type], type[Any]] = {}


class _Flawed(Problem):
    """A problem with values that were sent."""

    def __init__(self, flaws: Iterable[Flaw], detail: str | None = None, **members: Any) -> None:
        self.flaws = list(flaws)
        super().__init__(None, detail or _summary(self.flaws), **members)
        self.extensions["errors"] = self.flaws

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        return Exception.__new__(cls)


class Invalid(_Flawed, UnprocessableEntity):
    """What was sent is well-formed and not what the view takes: 422, with a list of `Flaw`s.

    For checks of a view's own as well:

        raise Invalid([Flaw(("body", "until"), "a day after `since`", "an earlier one")])
    """

    code = 422


class Malformed(_Flawed, BadRequest):
    """What was sent cannot be read at all: 400, with a list of `Flaw`s."""

    code = 400


def refusal_of(rejected: Rejected) -> Problem:
    """The problem to raise for what a codec rejected: 400 if not well-formed, else 422."""
    return (Malformed if rejected.is_malformed else Invalid)(rejected.flaws)


def _summary(flaws: list[Flaw]) -> str | None:
    if not flaws:
        return None
    first = flaws[0]
    text = f"{path_text(first.location)}: expected {first.expected}, got {first.got}."
    return text if len(flaws) == 1 else f"{text} {len(flaws)} values are wrong; see errors."


def path_text(location: Iterable[str | int]) -> str:
    """A location as text: `body.items[3].price`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "The value"


def problem_of(error: HTTPException) -> Problem:
    """An HTTP exception as a problem: its phrase as title, its description as detail.

    A description that is a mapping gives members: `abort(409, {"detail": "...", "left": 3})`.
    That of an exception nobody caught is left out.
    """
    if isinstance(error, Problem):
        return error
    description: Any = error.description
    if getattr(error, "original_exception", None) is not None:
        description = None
    extensions: dict[str, Any] = {}
    if isinstance(description, Mapping):
        extensions = {str(key): value for key, value in description.items() if key != "status"}
        description = extensions.pop("detail", None)
    known = {name: extensions.pop(name) for name in ("type", "title") if name in extensions}
    headers = [field for field in error.get_headers() if field[0].lower() != "content-type"]
    problem = Problem(error.code if (error.code or 0) >= 400 else 500, headers=headers)
    problem.title = known.get("title") or error.name
    problem.type = known.get("type") or problem.type
    problem.instance = extensions.pop("instance", None)
    problem.description = None if description is None else _text(description)
    problem.extensions = extensions
    problem.__cause__ = error
    return problem


def problem_response(ctx: Any, error: HTTPException) -> Any:
    """The response to an HTTP exception of a typed view.

    One that carries a response of its own, makes its own page, or is no error is answered
    as in Flask.
    """
    kind = type(error)
    if (
        error.response is not None
        or not 400 <= (error.code or 0) <= 599
        or (
            not isinstance(error, Problem)
            and not (
                kind.get_response is HTTPException.get_response
                and kind.get_body is HTTPException.get_body
            )
        )
    ):
        return response_of(error, ctx, ctx.app.response_class)
    problem = problem_of(error)
    request = ctx.request
    if problem.instance is None:
        problem.instance = quote(request.root_path + request.path)
    house_style = ctx.app.extensions.get(_KEY)
    if house_style is not None:
        return _in_house_style(ctx, house_style, problem)
    return ctx.app.response_class(
        dump_members(problem.members()),
        problem.status,
        problem.headers,
        content_type=MEDIA_TYPE,
    )


def _in_house_style(ctx: Any, style: Callable[[Problem], Any], problem: Problem) -> Any:
    answer = style(problem)
    response = ctx.plan.make(ctx, answer)
    if not isinstance(answer, tuple) and response is not answer:
        response.status_code = problem.status
        response.headers.extend(problem.headers)
    return response


def replace(app: Any, function: Callable[[Problem], Any]) -> None:
    """Answer every problem of `app`'s typed views with what `function(problem)` returns.

    That is what a view may return; a value without a status of its own gets the problem's
    status and headers. Called before the first request.

        problems.replace(app, lambda problem: {"error": {"code": problem.status}})
    """
    app.extensions[_KEY] = function


def everywhere(app: Any) -> None:
    """Answer with problem details in all of `app`: plain views and unknown URLs as well.

    For an application that is an API and nothing else. It is an error handler for
    `HTTPException`, so one for a nearer class or a blueprint comes first.
    """

    def as_problem(error: Any) -> Any:
        return problem_response(_cv_request.get(), error)

    app.register_error_handler(HTTPException, as_problem)


def parse_problem(body: bytes | str, status: int = 500) -> Problem:
    """The problem that a service answered with; `status` is that of its answer.

    Members of the wrong type are ignored (RFC 9457, 3.1). Raises ValueError for a body that
    is no JSON object, and for a status below 400.

        if response.headers["Content-Type"] == problems.MEDIA_TYPE:
            raise parse_problem(response.content, response.status_code)
    """
    members = json.loads(body)
    if not isinstance(members, dict):
        raise ValueError("Problem details are a JSON object.")
    known: dict[str, Any] = {}
    for name, kind in _MEMBERS.items():
        value = members.pop(name, None)
        if isinstance(value, kind):
            known[name] = value
    problem = Problem(status, known.get("detail"), instance=known.get("instance"))
    problem.type = known.get("type", "about:blank")
    problem.title = known.get("title")
    if "detail" not in known:
        problem.description = None
    problem.extensions = members
    return problem


def dump_members(members: Mapping[str, Any]) -> bytes:
    """The members of a problem as JSON."""
    try:
        return _encoder.encode(members)
    except UnicodeEncodeError:
        # Text with half a surrogate pair, which only the escaped form can hold.
        return json.dumps(members, default=_builtin).encode()


def _plain(value: Any) -> Any:
    """What msgspec has no form for: a pydantic model, or nothing that could be sent."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(
        f"A member of a problem is a {type(value).__name__}, which has no form in JSON. Give it"
        " as text, a number, a list, a dict or a structured type."
    )


def _builtin(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _text(description: Any) -> str:
    """A description as text without markup."""
    if hasattr(description, "__html__"):
        from markupsafe import Markup  # rarely

        return Markup(description).striptags()
    return str(description)


def _class_name(problem: Problem) -> str:
    return type(problem).__name__


def _own_description(problem: Problem) -> str | None:
    """What a subclass gives as its description; not that of Werkzeug's exception."""
    owner = next(kind for kind in type(problem).__mro__ if "description" in vars(kind))
    own: str | None = vars(owner)["description"]
    return None if owner.__module__ == HTTPException.__module__ else own
