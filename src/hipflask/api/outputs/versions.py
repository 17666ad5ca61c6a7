"""Several versions of one view under one URL, told apart by media type.

    app.add_url_rule(
        "/orders/<int:number>",
        view_func=by_media_type("vnd.orders", {"1": show_v1, "2": show_v2}, default="2"),
    )

`Accept: application/vnd.orders.v1+json` is answered by `show_v1`, and the answer says so in
its Content-Type; `application/json`, `*/*` or no Accept by the default version, as plain
JSON. A body sent as `application/vnd.orders.v1+json` chooses as well, where Accept does not.
A version there is not is a 406 (asked for) or a 415 (sent), with those that there are.

(Versions by prefix need nothing of this: they are blueprints, `url_prefix="/v1"`.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ...bridge import is_async, sync_to_async
from ...globals import _cv_request
from ...scaffold import SetupError
from ..inputs.bodies import content_type_of
from ..problems import Problem
from .negotiation import JSON, accept_of

View = Callable[..., Any]
#: What answers a request: takes its context.
Call = Callable[[Any], Any]

# What a name and a version may be made of: a restricted name of RFC 6838, 4.2.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Versions:
    """A view made of several, one per version: see `by_media_type`.

    Each is typed or plain, sync or async, with decorators of its own. A decorator around the
    whole is refused, as it would hide what the versions read.
    """

    # As `marks.Provided` has it.
    __typed__ = True

    def __init__(self, name: str, views: Mapping[Any, View], default: str) -> None:
        if not _NAME.fullmatch(name):
            raise SetupError(
                f"by_media_type({name!r}, ...): the name is the middle of a media type, such as"
                ' "vnd.orders" for application/vnd.orders.v1+json.'
            )
        for version, view in views.items():
            if not isinstance(version, str) or not _VERSION.fullmatch(version):
                raise SetupError(
                    f'by_media_type({name!r}, ...): {version!r} is no version; "1" is one.'
                )
            if not callable(view):
                raise SetupError(
                    f"by_media_type({name!r}, ...): version {version!r} is {view!r}, and no view."
                )
        if default not in views:
            raise SetupError(
                f"by_media_type({name!r}, ..., default={default!r}): there is no such version"
                f" among {', '.join(map(repr, views))}."
            )
        self.name = name
        self.views = dict(views)
        self.default = default
        self.types: dict[str, str] = {
            version: f"application/{name}.v{version}+json" for version in views
        }
        self._versions: dict[str, str] = {
            type.lower(): version for version, type in self.types.items()
        }
        self._prefix = f"application/{name}.".lower()
        # The name of the endpoint, and what the document tells in the first place.
        first = self.views[default]
        self.__name__ = getattr(first, "__name__", name)
        self.__doc__ = first.__doc__

    def __call__(self, **values: Any) -> Any:
        """Answer as a plain view of the current request does: nothing is read or checked."""
        ctx = _cv_request.get()
        version, is_named = self.choose(ctx.request)
        answer = ctx.app.ensure_sync(self.views[version])(**values)
        return self.label(ctx, answer, version, is_named)

    def choose(self, request: Any) -> tuple[str, bool]:
        """The version a request is for, and whether it named one.

        Raises Problem 406 for a version asked for that there is not, 415 for a body of one,
        or of another version than the one asked for.
        """
        asked = self._asked_for(accept_of(request))
        sent = self._sent_as(request)
        if asked is not None and sent is not None and asked != sent:
            raise Problem(
                415,
                f"The body is of version {sent}, and the answer is to be of version {asked}.",
                headers={"Accept": f"{self.types[asked]}, {JSON}"},
            )
        version = asked or sent
        return version or self.default, version is not None

    def _asked_for(self, accept: str | None) -> str | None:
        """The version Accept prefers; None where the default will do."""
        if accept is None or self._prefix not in accept.lower():
            return None
        wanted = parse_accept_header(accept, MIMEAccept)
        best, best_quality = None, 0.0
        for value, quality in wanted:
            version = self._versions.get(value.partition(";")[0].strip().lower())
            if version is not None and quality > best_quality:
                best, best_quality = version, quality
        if wanted.quality(JSON) > best_quality:
            return None
        if best is None:
            raise Problem(
                406,
                "There is no version of that media type. There are:"
                f" {', '.join(self.types.values())}.",
                headers={"Vary": "Accept"},
                versions=list(self.types.values()),
            )
        return best

    def _sent_as(self, request: Any) -> str | None:
        kind = (content_type_of(request) or "").partition(";")[0].strip().lower()
        if not kind.startswith(self._prefix):
            return None
        version = self._versions.get(kind)
        if version is None:
            raise Problem(
                415,
                f"There is no version of that media type. There are:"
                f" {', '.join(self.types.values())}.",
                headers={"Accept": ", ".join((*self.types.values(), JSON))},
                versions=list(self.types.values()),
            )
        return version

    def label(self, ctx: Any, answer: Any, version: str, is_named: bool) -> Any:
        """The answer as a response that says which version it is."""
        response = ctx.plan.make(ctx, answer)
        if is_named and response.mimetype == JSON:
            response.headers["Content-Type"] = self.types[version]
        response.vary.add("Accept")
        return response

    def calls(
        self, bind: Callable[[View], tuple[Call, Callable[..., Any]] | None]
    ) -> tuple[Call, Callable[..., Any]]:
        """What answers a request, sync and async, where `bind` gives that of a typed view.

        `bind` returns None for a plain view, which is called as the URL's variables say.
        """
        bound = {version: bind(view) or _plain(view) for version, view in self.views.items()}

        def call(ctx: Any) -> Any:
            version, is_named = self.choose(ctx.request)
            return self.label(ctx, bound[version][0](ctx), version, is_named)

        async def call_async(ctx: Any) -> Any:
            version, is_named = self.choose(ctx.request)
            return self.label(ctx, await bound[version][1](ctx), version, is_named)

        return call, call_async


def joined(versions: Versions, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The OpenAPI Operation Object of all versions, made of one of each version's view.

    Each form of JSON is told under its version's media type, the default's as plain JSON too.
    A parameter is required where every version requires it.
    """
    first = parts[versions.default]
    whole = dict(first)
    if parameters := _joined_parameters(list(parts.values()), first):
        whole["parameters"] = parameters
    bodies = {version: part["requestBody"] for version, part in parts.items() if _has_body(part)}
    if bodies:
        whole["requestBody"] = {
            **next(iter(bodies.values())),
            "required": all(_has_body(part) and _is_required(part) for part in parts.values()),
            "content": _joined_content(versions, bodies),
        }
    responses: dict[str, Any] = {}
    for status in sorted({status for part in parts.values() for status in part["responses"]}):
        found = {
            version: part["responses"][status]
            for version, part in parts.items()
            if status in part["responses"]
        }
        answer = dict(found.get(versions.default) or next(iter(found.values())))
        if content := _joined_content(versions, found):
            answer["content"] = content
        if headers := {k: v for each in found.values() for k, v in each.get("headers", {}).items()}:
            answer["headers"] = headers
        responses[status] = answer
    responses.setdefault("406", {"description": "There is no such version"})
    whole["responses"] = dict(sorted(responses.items()))
    whole.pop("deprecated", None)
    if all(part.get("deprecated") for part in parts.values()):
        whole["deprecated"] = True
    return whole


def _has_body(part: Mapping[str, Any]) -> bool:
    return "requestBody" in part


def _is_required(part: Mapping[str, Any]) -> bool:
    return bool(part["requestBody"].get("required"))


def _joined_content(
    versions: Versions, found: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    content: dict[str, Mapping[str, Any]] = {}
    # The default version last, so that what is no JSON is told as it is there.
    for version in sorted(found, key=lambda each: each == versions.default):
        for kind, media in found[version].get("content", {}).items():
            if kind != JSON:
                content[kind] = media
                continue
            content[versions.types[version]] = media
            if version == versions.default:
                content[JSON] = media
    return content


def _joined_parameters(parts: list[Mapping[str, Any]], first: Mapping[str, Any]) -> list[Any]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in (first, *(part for part in parts if part is not first)):
        for parameter in part.get("parameters", ()):
            known = found.setdefault((parameter["in"], parameter["name"]), {**parameter})
            schemas = known["schema"].get("anyOf", [known["schema"]])
            if parameter["schema"] not in schemas and parameter["schema"] != known["schema"]:
                known["schema"] = {"anyOf": [*schemas, parameter["schema"]]}
    for key, known in found.items():
        in_all = all(
            any(
                (each["in"], each["name"]) == key and each.get("required")
                for each in part.get("parameters", ())
            )
            for part in parts
        )
        if not in_all:
            known.pop("required", None)
    return list(found.values())


def refuse_wrapped(view: Any) -> None:
    """Raise SetupError for a decorator around a view made by `by_media_type`."""
    inside = view
    while (inside := getattr(inside, "__wrapped__", None)) is not None:
        if isinstance(inside, Versions):
            code = getattr(view, "__code__", None)
            where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
            raise SetupError(
                f"The view {inside.__name__!r}, made by by_media_type({inside.name!r}, ...), is"
                f" inside a decorator{where}, where what its versions read cannot be told. Put"
                " the decorator on the view of each version."
            )


def _plain(view: View) -> tuple[Call, Callable[..., Any]]:
    hop = view if is_async(view) else sync_to_async(view)

    def call(ctx: Any) -> Any:
        return ctx.app.ensure_sync(view)(**ctx.request.view_args)

    async def call_async(ctx: Any) -> Any:
        return await hop(**ctx.request.view_args)

    return call, call_async


def by_media_type(name: str, views: Mapping[str, View], *, default: str) -> Versions:
    """The view that answers with the one of `views` whose version the client names.

    `name` is the middle of the media type, `views` maps versions to views, `default` is the
    version of clients that name none. A version is told to be outdated as any view is, by
    `@operation(deprecated=..., sunset=...)` on its view. Raises SetupError for a name that
    makes no media type, or a default that is no version.

        app.add_url_rule("/orders", view_func=by_media_type(
            "vnd.orders", {"1": orders_v1, "2": orders_v2}, default="2"))
    """
    return Versions(name, views, default)
