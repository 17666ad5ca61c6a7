"""Explanations that debug mode gives; loaded only when one is needed."""

from __future__ import annotations

import typing as t

from jinja2.loaders import BaseLoader

from .globals import _cv_request

if t.TYPE_CHECKING:
    from werkzeug.routing import RequestRedirect

    from .scaffold import Scaffold
    from .typing import Application
    from .wrappers import Request

    Source = tuple[str, str | None, t.Callable[[], bool] | None]


class UnexpectedUnicodeError(AssertionError, UnicodeError):
    """Text that does not decode, where the cause is worth a better message."""


# --- uploads without the form's enctype --------------------------------------------------


class DebugFilesKeyError(KeyError, AssertionError):
    """A file that is missing from `request.files` because the form sent only its name."""

    def __init__(self, request: Request, key: str) -> None:
        super().__init__(request, key)
        names = ", ".join(repr(name) for name in request.form.getlist(key))
        self.msg = (
            f"request.files has no {key!r}: no file contents were transmitted. The form was"
            f" sent as {request.mimetype!r}, and files need 'multipart/form-data'. Write"
            ' enctype="multipart/form-data" into the <form> tag.'
        )
        if names:
            self.msg += (
                "\n\nInstead of the file its name came as a plain field."
                f" This was submitted: {names}"
            )

    def __str__(self) -> str:
        return self.msg


class _ExplainsMissingFiles:
    """Mixed into the class of `request.files` by `attach_enctype_error_multidict`."""

    _explained_request: Request

    def __getitem__(self, key: str) -> t.Any:
        try:
            return super().__getitem__(key)  # type: ignore[misc]  # the multidict's
        except KeyError as error:
            if key not in self._explained_request.form:
                raise
            raise DebugFilesKeyError(self._explained_request, key).with_traceback(
                error.__traceback__
            ) from None


def attach_enctype_error_multidict(request: Request) -> None:
    """Make `request.files[name]` explain itself where the form holds that name instead.

    For a request in debug mode that brought a form but no files. Changes the class of
    `request.files` to a subclass of what it was.
    """
    files: t.Any = request.files
    kind = type(files)
    if not issubclass(kind, _ExplainsMissingFiles):
        files.__class__ = type(
            kind.__name__, (_ExplainsMissingFiles, kind), {"__module__": kind.__module__}
        )
    files._explained_request = request


# --- redirects that lose a form ----------------------------------------------------------


class FormDataRoutingRedirect(AssertionError):
    """A redirect made by routing, on which a browser would drop the body it has sent."""

    def __init__(self, request: Request) -> None:
        redirect = t.cast("RequestRedirect", request.routing_exception)
        target = redirect.new_url
        lines = [
            f"The body of {request.method} {request.url!r} would be lost: routing redirects"
            f" to the canonical URL {target!r}, and after such a redirect browsers ask again"
            " with GET."
        ]
        if target.partition("?")[0] == request.base_url + "/":
            lines.append(
                "The rule ends with a slash and the URL does not; a slash at its end is all"
                " that is missing."
            )
        lines.append(
            "Send the form to the canonical URL, or let routing redirect with 307 or 308."
            "\n\nOnly debug mode raises this."
        )
        super().__init__(" ".join(lines))


# --- where a template was looked for -----------------------------------------------------


def explain_template_loading_attempts(
    app: Application,
    template: str,
    attempts: list[tuple[BaseLoader, Scaffold, Source | None]],
) -> None:
    """Log each loader asked for a template, what it is made of and what it answered."""
    lines = [f"Locating template {template!r}:"]
    for number, (loader, owner, found) in enumerate(attempts, start=1):
        lines.append(f"{number:>5}: trying loader of {_name_owner(app, owner)}")
        lines += [f"       {text}" for text in _dump_loader_info(loader)]
        answer = "no match" if found is None else f"found ({found[1] or '<string>'!r})"
        lines.append(f"       -> {answer}")

    matches = sum(found is not None for _loader, _owner, found in attempts)
    if matches > 1:
        lines.append(f"Warning: {matches} loaders have this template; the first one was taken.")
    elif not matches:
        lines.append("Error: the template could not be found.")

    blueprint = _blueprint_in_charge()
    if blueprint is not None and matches != 1:
        lines += [
            "  The template was looked up from an endpoint that belongs to the blueprint"
            f" {blueprint!r}.",
            "  Is the file in the right folder, and is that the blueprint's template_folder?",
            "  See https://flask.palletsprojects.com/blueprints/#templates",
        ]
    app.logger.info("\n".join(lines))


def _blueprint_in_charge() -> str | None:
    ctx = _cv_request.get(None)
    return None if ctx is None else ctx.request.blueprint


def _name_owner(app: Application, owner: t.Any) -> str:
    if owner is app:
        return f"application {app.import_name!r}"
    if hasattr(owner, "import_name"):
        return f"blueprint {owner.name!r} ({owner.import_name})"
    return repr(owner)


def _dump_loader_info(loader: BaseLoader) -> t.Iterator[str]:
    """Return a line with the loader's class and one for each plain setting of it."""
    yield f"class: {type(loader).__module__}.{type(loader).__name__}"
    for name, value in sorted(vars(loader).items()):
        if name.startswith("_"):
            continue
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            yield f"{name}:"
            yield from (f"  - {item}" for item in value)
        elif isinstance(value, (str, int, float, bool)):
            yield f"{name}: {value!r}"
