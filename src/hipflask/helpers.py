"""What views call: URLs, answers, flashes, files.

The functions that take an `app` or a `scaffold` are the bodies of methods of those
classes; users reach them as `app.url_for`, `app.send_static_file` and so on. What
is imported as itself lives in modules of its own, and is found here as in Flask.
"""

from __future__ import annotations

import os
import typing as t
from urllib.parse import quote

import werkzeug.utils
from werkzeug.exceptions import abort as _wz_abort
from werkzeug.routing import BuildError
from werkzeug.utils import redirect as _wz_redirect
from werkzeug.wrappers import Response as BaseResponse

from .globals import _current_app, _current_request_context, _cv_app, _cv_request
from .packages import get_root_path as get_root_path
from .scaffold import _split_blueprint_path as _split_blueprint_path
from .signals import message_flashed

if t.TYPE_CHECKING:
    from datetime import datetime

    from .streaming import stream_with_context as stream_with_context
    from .typing import Application
    from .wrappers import Response


def __getattr__(name: str) -> t.Any:
    if name == "stream_with_context":
        from .streaming import stream_with_context  # who streams nothing does not pay for it

        return stream_with_context
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# --- environment variables ---------------------------------------------------------------


def _read_switch(variable: str) -> bool | None:
    """Return whether an environment variable switches something on, None if it is silent."""
    text = os.environ.get(variable, "")
    return text.lower() not in {"0", "false", "no"} if text else None


def get_debug_flag() -> bool:
    """Return whether `FLASK_DEBUG` asks for debug mode; `0`, `false` and `no` do not."""
    return _read_switch("FLASK_DEBUG") or False


def get_load_dotenv(default: bool = True) -> bool:
    """Return whether dotenv files may be loaded: not if `FLASK_SKIP_DOTENV` is set.

    `default` is the answer while the variable is unset or empty.
    """
    skip = _read_switch("FLASK_SKIP_DOTENV")
    return default if skip is None else not skip


# --- answers -----------------------------------------------------------------------------


def make_response(*args: t.Any) -> Response:
    """Return what a view returning `args` would be answered with, to be changed further.

    No argument makes an empty response; several are the tuple a view may return.

        response = make_response(render_template("page.html"), 203)
        response.headers["X-Part"] = "1"
    """
    app = _current_app()
    if len(args) > 1:
        return t.cast("Response", app.make_response(args))
    return t.cast("Response", app.make_response(args[0]) if args else app.response_class())


def url_for(
    endpoint: str,
    *,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    _external: bool | None = None,
    **values: t.Any,
) -> str:
    """Return the URL of an endpoint of the current application; see `Flask.url_for`."""
    app = _current_app()
    return t.cast(
        str,
        app.url_for(
            endpoint,
            _anchor=_anchor,
            _method=_method,
            _scheme=_scheme,
            _external=_external,
            **values,
        ),
    )


def redirect(
    location: str, code: int = 302, Response: type[BaseResponse] | None = None
) -> BaseResponse:
    """Return a response that sends the client to `location`.

    Asks the current application's `redirect`, if there is one; `Response`, the class of
    the answer, counts only outside an application.
    """
    ctx = _cv_app.get(None)
    if ctx is None:
        return _wz_redirect(location, code, Response)
    return t.cast(BaseResponse, ctx.app.redirect(location, code=code))


def abort(code: int | BaseResponse, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    """Raise the HTTP exception for a status code, or one that carries this response.

    Asks the current application's `aborter`, if there is one. Raises LookupError for a
    code that has no exception.
    """
    ctx = _cv_app.get(None)
    if ctx is not None:
        ctx.app.aborter(code, *args, **kwargs)
    _wz_abort(code, *args, **kwargs)


def get_template_attribute(template_name: str, attribute: str) -> t.Any:
    """Return what a template exports under this name: a macro or a variable.

    `get_template_attribute("_macros.html", "hello")("World")` calls a macro.
    """
    template = _current_app().jinja_env.get_template(template_name)
    return getattr(template.module, attribute)


# --- flashes -----------------------------------------------------------------------------


def flash(message: str, category: str = "message") -> None:
    """Keep a message in the session for the next page, which shows it once.

    Any category is allowed; `message`, `error`, `info` and `warning` are customary.
    """
    store = _current_request_context().session
    kept = store.get("_flashes", [])
    kept.append((category, message))
    # Assigned even if it is there already: a session sees assignments, not appends.
    store["_flashes"] = kept
    if message_flashed.receivers:
        app = _current_app()
        message_flashed.send(
            app, _async_wrapper=app.ensure_sync, message=message, category=category
        )


def get_flashed_messages(
    with_categories: bool = False, category_filter: t.Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Return the flashed messages and take them out of the session.

    Called again in the same request it returns them again. `with_categories` gives pairs
    (category, message); `category_filter` keeps only these categories.
    """
    ctx: t.Any = _current_request_context()
    pairs: list[tuple[str, str]] | None = ctx.flashes
    if pairs is None:
        store = ctx.session
        pairs = list(store.pop("_flashes")) if "_flashes" in store else []
        ctx.flashes = pairs
    if category_filter:
        pairs = [pair for pair in pairs if pair[0] in category_filter]
    if with_categories:
        return pairs
    return [pair[1] for pair in pairs]


# --- files -------------------------------------------------------------------------------


def _prepare_send_file_kwargs(**kwargs: t.Any) -> dict[str, t.Any]:
    """Return the arguments of Werkzeug's `send_file`, completed from app and request."""
    app = _current_app()
    if kwargs.get("max_age") is None:
        kwargs["max_age"] = app.get_send_file_max_age
    return kwargs | {
        "environ": _current_request_context().request.environ,
        "use_x_sendfile": app.config["USE_X_SENDFILE"],
        "response_class": app.response_class,
        "_root_path": app.root_path,
    }


def send_file(
    path_or_file: os.PathLike[t.AnyStr] | str | t.IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | t.Callable[[str | None], int | None] | None = None,
) -> Response:
    """Return a response with the contents of a file, or of an open binary file.

    Never pass a path that a user chose: that is what `send_from_directory` is for. A
    relative path starts at the application's root path. `max_age` is in seconds, or a
    function of the file's name; without it `app.get_send_file_max_age` decides.
    `last_modified` is in seconds since 1970 or a datetime. Raises ValueError for a text
    file, and for an open file with neither a `mimetype` nor a `download_name`.
    """
    options = _prepare_send_file_kwargs(
        mimetype=mimetype,
        as_attachment=as_attachment,
        download_name=download_name,
        conditional=conditional,
        etag=etag,
        last_modified=last_modified,
        max_age=max_age,
    )
    # Werkzeug's annotation has no PathLike[bytes]; its code takes one.
    return t.cast("Response", werkzeug.utils.send_file(t.cast(t.Any, path_or_file), **options))


def send_from_directory(
    directory: os.PathLike[str] | str, path: os.PathLike[str] | str, **kwargs: t.Any
) -> Response:
    """Return a response with a file below `directory`, whose name a user may choose.

    Takes `send_file`'s further arguments. `directory` must not come from a user; a
    relative one starts at the application's root path. Raises NotFound for a path that
    leads outside it and for anything but a regular file.
    """
    options = _prepare_send_file_kwargs(**kwargs)
    return t.cast("Response", werkzeug.utils.send_from_directory(directory, path, **options))


def send_static_file(scaffold: t.Any, filename: str) -> Response:
    """Return a response with a file of this application's or blueprint's static folder.

    Raises NotFound for a hidden one (`.env`, `.git/config`) unless `STATIC_DOTFILES` is set;
    `.well-known` (RFC 8615) is none.
    """
    folder = scaffold.static_folder
    if folder is None:
        raise RuntimeError(
            f"There is no static file {filename!r}: {scaffold!r} has no static folder. Pass"
            " 'static_folder' when creating it, or set the attribute."
        )
    path = os.fspath(filename).removeprefix(".well-known/")
    if (path[:1] == "." or "/." in path) and not _current_app().config["STATIC_DOTFILES"]:
        _wz_abort(404)
    # Asked here, so that a subclass of a blueprint decides for its own files.
    seconds = scaffold.get_send_file_max_age(filename)
    return send_from_directory(folder, filename, max_age=seconds)


def get_send_file_max_age(filename: str | None) -> int | None:
    """Return how many seconds a client may keep a file: SEND_FILE_MAX_AGE_DEFAULT.

    None lets the client ask each time whether the file has changed.
    """
    age = _current_app().config["SEND_FILE_MAX_AGE_DEFAULT"]
    if hasattr(age, "total_seconds"):
        return int(age.total_seconds())
    return t.cast("int | None", age)


# --- URLs --------------------------------------------------------------------------------


# RFC 3986 section 3.5, "#" as browsers have it, and "%" for what was quoted before.
_ANCHOR_SAFE = "/?:@!$&'()*+,;=%#"


def app_url_for(
    app: Application,
    /,
    endpoint: str,
    *,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    _external: bool | None = None,
    **values: t.Any,
) -> str:
    """Return the URL of an endpoint; the body of `Flask.url_for`.

    Values that the rule has no place for become the query string. In a request the URL is
    relative unless `_external` or `_scheme` is given, and an endpoint that starts with a
    dot belongs to the current blueprint. Outside it is external unless `_external` is
    False, and needs SERVER_NAME.

    Raises what the last of `url_build_error_handlers` raises (BuildError without any),
    ValueError for a `_scheme` that could not show, RuntimeError without SERVER_NAME.
    """
    ctx = _cv_request.get(None)
    if ctx is not None:
        adapter: t.Any = ctx.url_adapter
        if endpoint.startswith("."):
            endpoint = ".".join(filter(None, (ctx.request.blueprint, endpoint[1:])))
        external = _scheme is not None if _external is None else _external
    else:
        current = _cv_app.get(None)
        adapter = app.create_url_adapter(None) if current is None else current.url_adapter
        external = True if _external is None else _external
    if adapter is None:
        raise _unknown_host(endpoint, in_request=ctx is not None)
    if _scheme is not None and not external:
        raise ValueError(
            f"A relative URL shows no scheme: _scheme={_scheme!r} and _external=False for"
            f" endpoint {endpoint!r} exclude each other. Leave one of them out."
        )
    app.inject_url_defaults(endpoint, values)
    try:
        url: str = adapter.build(
            endpoint, values, method=_method, url_scheme=_scheme, force_external=external
        )
    except BuildError as error:
        values |= {
            "_anchor": _anchor,
            "_method": _method,
            "_scheme": _scheme,
            "_external": external,
        }
        return t.cast(str, app.handle_url_build_error(error, endpoint, values))
    return url if _anchor is None else f"{url}#{quote(_anchor, safe=_ANCHOR_SAFE)}"


def _unknown_host(endpoint: str, in_request: bool) -> RuntimeError:
    what = f"The URL of endpoint {endpoint!r} cannot be built: "
    if in_request:
        return RuntimeError(what + "the host the request names was refused, see TRUSTED_HOSTS.")
    return RuntimeError(
        what + "no request is active and SERVER_NAME is not set, so the host is unknown. Set"
        " SERVER_NAME (and, if they are not the defaults, APPLICATION_ROOT and"
        " PREFERRED_URL_SCHEME)."
    )
