"""What the document tells of an application: an `Operation` per method of each rule.

`operation(...)` adds to a view what neither its annotations nor its docstring say;
`operations(app)` lists what there is, typed and untyped views alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Any, TypeVar

from werkzeug.routing import Rule

from ..plain import converted_types
from ..scaffold import SetupError
from ..security.access import access_of
from ..security.stances import authenticated
from .model import Details, Operation, Signature
from .signatures.places import wants_identity
from .signatures.signature import function_of, signature_of

F = TypeVar("F", bound=Callable[..., Any])

#: What OpenAPI 3.1 has a place for; HEAD and OPTIONS only where a view answers them alone.
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "TRACE")
#: How the endpoints of our own pages begin (`pages/`).
OWN = "hipflask_"

_NOTHING = Details()
_UNTYPED = Signature((), None)
_EXAMPLE = '@operation(responses={404: "No such order"}, deprecated="2026-11-01")'


def operation(
    *,
    summary: str | None = None,
    description: str | None = None,
    operation_id: str | None = None,
    tags: Sequence[str] | None = None,
    responses: Mapping[int, Any] | None = None,
    examples: Mapping[str, Any] | None = None,
    deprecated: bool | str | date | None = None,
    sunset: str | date | None = None,
    hidden: bool = False,
) -> Callable[[F], F]:
    """Decorate a view with what the document shall say beyond its annotations and docstring.

        @app.get("/orders/<int:number>")
        @operation(responses={404: "No such order"}, deprecated="2026-11-01")
        def show_order(number: int) -> Order: ...

    `summary` and `description` replace the docstring's first line and the rest of it,
    `operation_id` the name made of the endpoint, `tags` the blueprint's name. `responses`
    are further answers, a status (100 to 599) each: a text for a problem (or, below 400, an
    answer without content), a type whose docstring is the text, or `(type, text)`.
    `examples` are values for "body", "response" or a parameter's name.

    `deprecated` is the day since when (an ISO date or datetime, taken as UTC where it has no
    zone), sent as `Deprecation` (RFC 9745); True marks the document alone. `sunset` is when
    the view ends, sent as `Sunset` (RFC 8594). `hidden` leaves the view out of the document.

    The order of this decorator and others does not matter, as long as those use
    `functools.wraps`. Raises SetupError for what cannot be meant.
    """
    details = Details(
        summary=_text("summary", summary),
        description=_text("description", description),
        operation_id=_text("operation_id", operation_id),
        tags=None if tags is None else _tags(tags),
        responses=_responses(responses or {}),
        examples=_examples(examples or {}),
        deprecated=deprecated if isinstance(deprecated, bool) else _when("deprecated", deprecated),
        sunset=_when("sunset", sunset),
        is_hidden=hidden,
    )
    if details.sunset and isinstance(details.deprecated, datetime):
        _check_order(details.deprecated, details.sunset)

    def mark(view: F) -> F:
        if not callable(view):
            raise SetupError(f"@operation(...) goes on a view, and got {view!r}.")
        view.__operation__ = details  # type: ignore[attr-defined]
        return view

    return mark


def details_of(view: Callable[..., Any], method: str | None = None) -> Details:
    """What `@operation(...)` said of a view, of `method` of a class-based one; else nothing.

    The outermost of several decorators counts, and a method's before its class's.
    """
    candidates: list[Any] = []
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        name = (method or "").lower()
        if not hasattr(view_class, name):
            name = "dispatch_request"
        candidates += [getattr(view_class, name, None), view, view_class]
    else:
        candidates.append(view)
    for candidate in candidates:
        while candidate is not None:
            found = vars(candidate).get("__operation__") if hasattr(candidate, "__dict__") else None
            if isinstance(found, Details):
                return found
            candidate = getattr(candidate, "__wrapped__", None)
    return _NOTHING


def headers_of(details: Details) -> tuple[tuple[str, str], ...]:
    """The header fields that each answer of a view carries, for what `details` declares.

    `Deprecation` is a structured field's date, `@` and seconds since 1970 (RFC 9745);
    `Sunset` an HTTP date (RFC 8594).
    """
    headers = []
    if isinstance(details.deprecated, datetime):
        headers.append(("Deprecation", f"@{int(details.deprecated.timestamp())}"))
    if details.sunset is not None:
        headers.append(("Sunset", format_datetime(details.sunset, usegmt=True)))
    return tuple(headers)


def asks_who_calls(rule: Rule, view: Callable[..., Any], method: str) -> bool:
    """Whether a method of the view takes an `Identity` that it cannot be called without."""
    return wants_identity(signature_of(view, converted_types(rule), method).inputs)


def operations(app: Any) -> list[Operation]:
    """Every operation of `app`, in the order in which a request tries the rules.

    Left out: static files, WebSockets, aliases and redirects, rules that only build URLs,
    views that are hidden, and the pages that show the document.
    """
    is_typed = bool(app.config.get("TYPED_VIEWS"))
    app.url_map.update()
    return [
        _operation_of(app, rule, method, view, details, is_typed)
        for rule, view in _documented(app)
        for method in _methods_of(rule)
        if not (details := details_of(view, method)).is_hidden
    ]


def _operation_of(
    app: Any, rule: Rule, method: str, view: Callable[..., Any], details: Details, is_typed: bool
) -> Operation:
    endpoint = str(rule.endpoint)
    signature = signature_of(view, converted_types(rule), method) if is_typed else _UNTYPED
    access = access_of(app, rule, endpoint, method)
    if access is None and wants_identity(signature.inputs):
        access = authenticated
    return Operation(
        rule=rule,
        method=method,
        endpoint=endpoint,
        function=function_of(view, method),
        signature=signature,
        details=details,
        access=access,
    )


def _documented(app: Any) -> Iterator[tuple[Rule, Callable[..., Any]]]:
    for rule in app.url_map.iter_rules():
        if rule.websocket or rule.build_only or rule.alias or rule.redirect_to is not None:
            continue
        endpoint = str(rule.endpoint)
        if endpoint == "static" or endpoint.endswith(".static") or endpoint.startswith(OWN):
            continue
        view = app.view_functions.get(rule.endpoint)
        if view is not None:
            yield rule, view


def _methods_of(rule: Rule) -> list[str]:
    if rule.methods is None:
        return ["GET"]
    own = [method for method in METHODS if method in rule.methods]
    return own or [method for method in ("HEAD",) if method in rule.methods]


# What was given to the decorator, checked where the user's line is still on the stack.


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SetupError(f"operation({name}={value!r}): it is a text.")
    return inspect.cleandoc(value)


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise SetupError(f"operation(tags={tags!r}): tags are a list of texts, such as ['orders'].")
    return tuple(tags)


def _responses(responses: Mapping[Any, Any]) -> dict[int, Any]:
    for status, answer in responses.items():
        if not isinstance(status, int) or not 100 <= status <= 599:
            raise SetupError(
                f"operation(responses=...): {status!r} is no status; one is a number from 100 to"
                f" 599, as in {_EXAMPLE}."
            )
        if not isinstance(answer, str | tuple) and not _is_type(answer):
            raise SetupError(
                f"operation(responses=...): {answer!r} for {status} is neither a text, nor a type,"
                f" nor (type, text), as in {_EXAMPLE}."
            )
        if isinstance(answer, tuple) and not (
            len(answer) == 2 and _is_type(answer[0]) and isinstance(answer[1], str)
        ):
            raise SetupError(
                f"operation(responses=...): {answer!r} for {status} is no pair of a type and a"
                " text."
            )
    return dict(responses)


def _is_type(value: Any) -> bool:
    # Besides classes: list[Item], Item | None, Annotated[...]; None for no content.
    return (
        value is None
        or isinstance(value, type)
        or hasattr(value, "__origin__")
        or hasattr(value, "__args__")
    )


def _examples(examples: Any) -> dict[str, Any]:
    if not isinstance(examples, Mapping) or not all(isinstance(name, str) for name in examples):
        raise SetupError(
            f"operation(examples={examples!r}): examples are a dict of 'body', 'response' or a"
            " parameter's name to a value."
        )
    return dict(examples)


def _when(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    when = value
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            raise SetupError(
                f"operation({name}={value!r}): it is an ISO date or datetime, such as"
                " '2026-11-01' or '2026-11-01T12:00:00Z'."
            ) from None
    if isinstance(when, datetime):
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    if isinstance(when, date):
        return datetime(when.year, when.month, when.day, tzinfo=UTC)
    raise SetupError(
        f"operation({name}={value!r}): it is a date, a datetime, or one of these as ISO text."
    )


def _check_order(deprecated: datetime, sunset: datetime) -> None:
    if sunset < deprecated:
        raise SetupError(
            f"operation(deprecated='{deprecated:%Y-%m-%d}', sunset='{sunset:%Y-%m-%d}'): a view"
            " cannot end before it is deprecated (RFC 9745, 4)."
        )
