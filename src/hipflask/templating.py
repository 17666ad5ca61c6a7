"""Jinja, as an application sees it: rendering, streaming, and what every template gets.

Nothing here imports Jinja until a template is used. What has to derive from Jinja's
classes is in `environment`; this module answers for those names as well.
"""

from __future__ import annotations

import typing as t

from .globals import _current_app, _cv_current, _cv_request, g, request, session
from .helpers import get_flashed_messages
from .signals import before_render_template, heard, template_rendered

if t.TYPE_CHECKING:
    from jinja2 import Template

    from .environment import DispatchingJinjaLoader as DispatchingJinjaLoader
    from .environment import Environment as Environment
    from .typing import Application

# What may hold markup, by the ending of a template's name.
_ESCAPED_SUFFIXES = (".html", ".htm", ".xml", ".xhtml", ".svg")


def __getattr__(name: str) -> t.Any:
    if name not in ("DispatchingJinjaLoader", "Environment"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import environment  # deferred: imports Jinja

    return getattr(environment, name)


# --- rendering ---------------------------------------------------------------------------


def render_template(
    template_name_or_list: str | Template | list[str | Template], **context: t.Any
) -> str:
    """Return the rendered text of a template, or of the first in a list that exists.

    Raises Jinja's TemplateNotFound (TemplatesNotFound for a list), and RuntimeError where
    no application is current.

        render_template("hello.html", name="World")
    """
    app = _current_app()
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    return _render(app, template, context)


def render_template_string(source: str, **context: t.Any) -> str:
    """Return the rendered text of a template that is given itself; it is autoescaped."""
    app = _current_app()
    return _render(app, app.jinja_env.from_string(source), context)


def stream_template(
    template_name_or_list: str | Template | list[str | Template], **context: t.Any
) -> t.Iterator[str]:
    """Return the pieces of a template, rendered while they are sent.

    The template is found, and its context put together, before this returns. A request
    that is active stays so while streaming; see `stream_with_context`.
    """
    app = _current_app()
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    return _stream(app, template, context)


def stream_template_string(source: str, **context: t.Any) -> t.Iterator[str]:
    """Return the pieces of a template that is given itself; see `stream_template`."""
    app = _current_app()
    return _stream(app, app.jinja_env.from_string(source), context)


def _announce(
    signal: t.Any, app: Application, template: Template, context: dict[str, t.Any]
) -> None:
    if signal.receivers:
        signal.send(app, _async_wrapper=app.ensure_sync, template=template, context=context)


def _render(app: Application, template: Template, context: dict[str, t.Any]) -> str:
    app.update_template_context(context)
    if not heard.any:
        return template.render(context)
    _announce(before_render_template, app, template, context)
    text = template.render(context)
    _announce(template_rendered, app, template, context)
    return text


def _stream(app: Application, template: Template, context: dict[str, t.Any]) -> t.Iterator[str]:
    app.update_template_context(context)
    _announce(before_render_template, app, template, context)

    def pieces() -> t.Iterator[str]:
        yield from template.generate(context)
        _announce(template_rendered, app, template, context)

    if _cv_request.get(None) is None:
        return pieces()
    from .streaming import stream_with_context  # as in `helpers`

    return stream_with_context(pieces())


# --- the context of every template -------------------------------------------------------


def _default_template_ctx_processor() -> dict[str, t.Any]:
    """Return `g` and `request`, as far as they exist; `session` stays untouched.

    The session is a global of the environment instead: to put it here would count as
    reading it, and each page would depend on the cookie.
    """
    found: dict[str, t.Any] = {}
    ctx = _cv_current.get()
    if ctx is not None:
        found["g"] = (ctx._app_face or ctx).g
        if (request_context := ctx if ctx._is_shown else ctx.request_ctx) is not None:
            found["request"] = request_context.request
    return found


# The processors of an application that registered none.
_ONLY_OURS = [_default_template_ctx_processor]


def update_template_context(app: Application, context: dict[str, t.Any]) -> None:
    """Add what the context processors return; the body of the method of that name.

    The application's processors come first, then those of the blueprints that handle the
    request, outermost first; later ones win, and what `context` already holds wins over all.
    """
    registered = app.template_context_processors
    owners: t.Any = (None,)
    if len(registered) == 1:
        if registered.get(None) == _ONLY_OURS:
            for name, value in _default_template_ctx_processor().items():
                context.setdefault(name, value)
            return
    elif (request_context := _cv_request.get(None)) is not None:
        owners = (None, *reversed(request_context.request.blueprints))
    added: dict[str, t.Any] = {}
    for owner in owners:
        for processor in registered.get(owner, ()):
            # Ours is a plain function: asking `ensure_sync` would cost as much as calling it.
            if processor is not _default_template_ctx_processor:
                processor = app.ensure_sync(processor)
            added.update(processor())
    for name, value in added.items():
        context.setdefault(name, value)


# --- setting up --------------------------------------------------------------------------


def select_jinja_autoescape(filename: str | None) -> bool:
    """Return whether a template of this name is escaped; one without a name is."""
    return filename is None or filename.endswith(_ESCAPED_SUFFIXES)


def create_global_jinja_loader(app: t.Any) -> DispatchingJinjaLoader:
    """Return the loader that looks in the application's folder, then in the blueprints'."""
    from .environment import DispatchingJinjaLoader  # deferred: imports Jinja

    return DispatchingJinjaLoader(app)


def create_jinja_environment(app: t.Any) -> Environment:
    """Return a new environment for the application's templates.

    Made with `app.jinja_options`; what they leave open follows from
    `app.select_jinja_autoescape` and from TEMPLATES_AUTO_RELOAD, else from debug mode.
    """
    options = {"autoescape": app.select_jinja_autoescape, **app.jinja_options}
    if "auto_reload" not in options:
        wanted = app.config["TEMPLATES_AUTO_RELOAD"]
        options["auto_reload"] = app.debug if wanted is None else wanted
    environment: Environment = app.jinja_environment(app, **options)
    environment.globals.update(
        config=app.config,
        url_for=app.url_for,
        get_flashed_messages=get_flashed_messages,
        # Also in the context, but a template imported by another sees only globals.
        request=request,
        session=session,
        g=g,
    )
    environment.policies["json.dumps_function"] = app.json.dumps
    return environment
