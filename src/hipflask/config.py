"""The configuration dictionary, the defaults it starts from, and attributes backed by it.

Two sets of defaults exist. `DEFAULTS` are Flask's; `ROWS` lists, one row each, the values
that are safer and that a new application starts with. `HIPFLASK_DEFAULTS` chooses.
"""

from __future__ import annotations

import errno
import json
import os
import types
import typing as t
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from werkzeug.utils import import_string

from .live import LiveDict

T = t.TypeVar("T")
_Path: t.TypeAlias = str | os.PathLike[str]


class Row:
    """A default that differs: its key, Flask's value, the safer value and the reason."""

    __slots__ = ("flask", "key", "reason", "secure")

    def __init__(self, key: str, *, flask: t.Any, secure: t.Any, reason: str) -> None:
        self.key = key
        self.flask = flask
        self.secure = secure
        self.reason = reason


DEFAULTS: dict[str, t.Any] = {
    # How the application runs. DEBUG stays open here: the environment decides it.
    "DEBUG": None,
    "TESTING": False,
    "PROPAGATE_EXCEPTIONS": None,
    "TRAP_HTTP_EXCEPTIONS": False,
    "TRAP_BAD_REQUEST_ERRORS": None,
    "EXPLAIN_TEMPLATE_LOADING": False,
    "TEMPLATES_AUTO_RELOAD": None,
    # Where it is reached.
    "SERVER_NAME": None,
    "TRUSTED_HOSTS": None,
    "APPLICATION_ROOT": "/",
    "PREFERRED_URL_SCHEME": "http",
    "PROVIDE_AUTOMATIC_OPTIONS": True,
    # What it signs with, and the cookie that carries the session.
    "SECRET_KEY": None,
    "SECRET_KEY_FALLBACKS": None,
    "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
    "SESSION_REFRESH_EACH_REQUEST": True,
    "SESSION_COOKIE_NAME": "session",
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_PATH": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SECURE": False,
    "SESSION_COOKIE_SAMESITE": None,
    "SESSION_COOKIE_PARTITIONED": False,
    "MAX_COOKIE_SIZE": 4093,
    # How much it reads, and how files are sent.
    "MAX_CONTENT_LENGTH": None,
    "MAX_FORM_MEMORY_SIZE": 500_000,
    "MAX_FORM_PARTS": 1000,
    "MAX_PART_HEAD_BYTES": None,
    "MAX_JSON_DEPTH": None,
    "MAX_BODY_CHUNKS": None,
    "REQUEST_BODY_TIMEOUT": None,
    "REQUEST_BODY_MIN_RATE": None,
    "RESPONSE_WRITE_TIMEOUT": None,
    "SEND_FILE_MAX_AGE_DEFAULT": None,
    "USE_X_SENDFILE": False,
    "STATIC_DOTFILES": True,
    # Typed views and their documents, which Flask does not have.
    "TYPED_VIEWS": False,
    "OPENAPI": False,
    # What is told of its work, which Flask does not.
    "LOGS": None,
    "LOG_REDACT": (),
    "LOG_SAMPLE_ABOVE": 1000,
    "REQUEST_ID_FROM": (),
    "REQUEST_ID_RESPONSE": False,
    "SLOW_REQUEST_S": 5.0,
    "LOOP_BLOCKED_S": 0.25,
    # WebSockets, which Flask does not have.
    "WEBSOCKET_MAX_MESSAGE_BYTES": 1024 * 1024,
    "WEBSOCKET_IDLE_S": 300,
    "WEBSOCKET_ORIGINS": "*",
    # Guards, which Flask does not have either: what holds once `hipflask.guards` put them there.
    "ORIGIN_GUARD": "refuse",
    "ORIGIN_GUARD_EXEMPT": (),
    "TRUSTED_ORIGINS": (),
    "CONTENT_SECURITY_POLICY": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "CONTENT_SECURITY_POLICY_REPORT_ONLY": False,
    "HSTS_SECONDS": 365 * 24 * 3600,
    "HSTS_SUBDOMAINS": False,
    "FRAME_OPTIONS": "DENY",
    "REFERRER_POLICY": "strict-origin-when-cross-origin",
    "OPENER_POLICY": "same-origin",
    "RESOURCE_POLICY": "same-origin",
    "PERMISSIONS_POLICY": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "MAX_URL_BYTES": 8192,
    "MAX_HEAD_BYTES": 32 * 1024,
    "MAX_HEAD_FIELDS": 100,
    "MAX_QUERY_PAIRS": 1000,
    "MAX_COOKIES": 200,
    "MAX_COOKIE_BYTES": 8192,
    "MAX_RANGES": 16,
    "MAX_ACCEPT_ITEMS": 64,
    "MAX_INFLATED_BYTES": 16 * 1024 * 1024,
    "MAX_INFLATE_RATIO": 100,
    "RATE_LIMIT": None,
    "RATE_LIMIT_STORE": "memory://",
    "RATE_LIMIT_ON_STORE_FAILURE": "allow",
}

# What the session's cookie is made of. In lower case, as this module is no set of settings.
_of_the_cookie = (
    "APPLICATION_ROOT", "MAX_COOKIE_SIZE", "PERMANENT_SESSION_LIFETIME", "SECRET_KEY",
    "SECRET_KEY_FALLBACKS", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_NAME", "SESSION_COOKIE_PARTITIONED", "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_SECURE", "SESSION_REFRESH_EACH_REQUEST",
)  # fmt: skip

ROWS: tuple[Row, ...] = (
    Row(
        "SESSION_COOKIE_SAMESITE",
        flask=None,
        secure="Lax",
        reason="a form on another site cannot post with this site's session",
    ),
    Row(
        "MAX_CONTENT_LENGTH",
        flask=None,
        secure=16 * 1024 * 1024,
        reason="one request cannot fill memory or disk; bytes, a larger body is answered 413",
    ),
    Row(
        "MAX_PART_HEAD_BYTES",
        flask=None,
        secure=4096,
        reason="the fields before a part of a form, which are kept, stay small; answered 413",
    ),
    Row(
        "MAX_JSON_DEPTH",
        flask=None,
        secure=64,
        reason="a few kB of brackets cannot make what walks through a value fail; answered 400",
    ),
    Row(
        "MAX_BODY_CHUNKS",
        flask=None,
        secure=1000,
        reason="a body in pieces of a byte costs a thousand times its size in work",
    ),
    Row(
        "REQUEST_BODY_TIMEOUT",
        flask=None,
        secure=30,
        reason="a client that stops in the middle of its body is not waited for; answered 408",
    ),
    Row(
        "REQUEST_BODY_MIN_RATE",
        flask=None,
        secure=240,
        reason="nor one that sends a byte now and then; answered 408",
    ),
    Row(
        "RESPONSE_WRITE_TIMEOUT",
        flask=None,
        secure=30,
        reason="a client that stops reading does not keep a response for ever; it is cut",
    ),
    Row(
        "STATIC_DOTFILES",
        flask=True,
        secure=False,
        reason="a .env or .git that lies in the static folder is a 404; .well-known is served",
    ),
    Row(
        "WEBSOCKET_ORIGINS",
        flask="*",
        secure=(),
        reason="a page on another site cannot open a WebSocket with this site's cookies",
    ),
    Row(
        "TYPED_VIEWS",
        flask=False,
        secure=True,
        reason="what a view's annotations say is read and checked before it runs",
    ),
    Row(
        "OPENAPI",
        flask=False,
        secure=True,
        reason="typed views are described at /openapi.json and /docs, to whom they let in",
    ),
)


def default_config() -> dict[str, t.Any]:
    """Return a new dictionary of the defaults that `HIPFLASK_DEFAULTS` asks for.

    The variable is read at each call. `flask` gives Flask's own values, `secure` (also when
    it is unset or empty) the safer ones of `ROWS`. Raises `ValueError` for another word.
    """
    chosen = os.environ.get("HIPFLASK_DEFAULTS") or "secure"
    if chosen not in ("flask", "secure"):
        raise ValueError(
            f"HIPFLASK_DEFAULTS={chosen!r} in the environment names no set of defaults:"
            " use 'flask' (Flask's own values) or 'secure' (ours, also when it is unset)."
        )
    defaults = dict(DEFAULTS)
    if chosen == "secure":
        defaults.update((row.key, row.secure) for row in ROWS)
    return defaults


class _HasConfig(t.Protocol):
    @property
    def config(self) -> t.Any: ...


class ConfigAttribute(t.Generic[T]):
    """An attribute of the application that lives in `app.config[name]`.

    `get_converter` is applied to the stored value on every read. Read from the class, the
    descriptor itself is returned.
    """

    def __init__(self, name: str, get_converter: Callable[[t.Any], T] | None = None) -> None:
        self.__name__ = name
        self.get_converter = get_converter

    @t.overload
    def __get__(self, obj: None, owner: type | None = None) -> t.Self: ...

    @t.overload
    def __get__(self, obj: _HasConfig, owner: type | None = None) -> T: ...

    def __get__(self, obj: _HasConfig | None, owner: type | None = None) -> T | t.Self:
        if obj is None:
            return self
        stored = obj.config[self.__name__]
        convert = self.get_converter
        return t.cast(T, stored if convert is None else convert(stored))

    def __set__(self, obj: _HasConfig, value: t.Any) -> None:
        obj.config[self.__name__] = value


class Config(LiveDict):
    """A dictionary that can fill itself from files, objects and the environment.

    Apart from `from_prefixed_env`, whose variables carry a prefix instead, the loaders keep
    only keys in upper case, so that helpers beside the settings stay out. Relative file
    names are taken from `root_path`.

        app.config.from_object("shop.settings")
        app.config.from_prefixed_env()
    """

    def __init__(self, root_path: _Path, defaults: dict[str, t.Any] | None = None) -> None:
        super().__init__({} if defaults is None else defaults)
        self.root_path = root_path

    def planned(self) -> t.Any:
        """What a plan rests on: which hosts it remembers as good, what is typed. See `live`.

        And what the session's cookie is made of, with the types: 1 is not True in a cookie.
        """
        get = self.get
        names = ("TRUSTED_HOSTS", "SERVER_NAME", "TYPED_VIEWS", "OPENAPI", "DEBUG", "TESTING")
        traps = ("TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS")
        cookie = tuple(map(get, _of_the_cookie))
        return *map(get, names + traps), cookie, tuple(map(type, cookie))

    def from_envvar(self, variable_name: str, silent: bool = False) -> bool:
        """Load the Python file that an environment variable points to; see `from_pyfile`.

        Returns whether it was loaded. A variable that is unset or empty is a
        `RuntimeError`, or just `False` with `silent`.
        """
        filename = os.environ.get(variable_name)
        if filename:
            return self.from_pyfile(filename, silent=silent)
        if silent:
            return False
        raise RuntimeError(
            f"The environment variable {variable_name!r} is not set, so there is no"
            " configuration file to load. Set it to the path of one, or pass silent=True."
        )

    def from_prefixed_env(
        self, prefix: str = "FLASK", *, loads: Callable[[str], t.Any] = json.loads
    ) -> bool:
        """Load every environment variable named `<prefix>_<KEY>`; returns True.

        Each value goes through `loads`; one that it refuses stays text. Two underscores
        step into a dictionary, made where missing: `FLASK_MAIL__PORT=25` sets
        `config["MAIL"]["PORT"]`. Variables are taken in sorted order. Raises `TypeError`
        if a step leads into something that is no dictionary.
        """
        start = f"{prefix}_"
        for variable in sorted(name for name in os.environ if name.startswith(start)):
            text = os.environ[variable]
            try:
                value = loads(text)
            except Exception:
                value = text
            self._set_nested(variable, variable[len(start) :].split("__"), value)
        return True

    def _set_nested(self, variable: str, steps: list[str], value: t.Any) -> None:
        target: t.Any = self
        try:
            for step in steps[:-1]:
                if step not in target:
                    target[step] = {}
                target = target[step]
            target[steps[-1]] = value
        except TypeError as exc:
            raise TypeError(
                f"The environment variable {variable!r} sets a key inside"
                f" config[{steps[0]!r}], which holds {self[steps[0]]!r}: on the way there is"
                " a value that is no dictionary. Rename the variable, or make that setting"
                " a dictionary."
            ) from exc

    def from_pyfile(self, filename: _Path, silent: bool = False) -> bool:
        """Run a Python file and keep the names in upper case that it leaves behind.

        Returns whether it was loaded: with `silent`, a missing file, a directory or a path
        through a file gives `False` instead of `OSError`.
        """
        path = os.path.join(self.root_path, filename)
        forgiven = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR) if silent else ()
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as exc:
            if exc.errno in forgiven:
                return False
            raise _explained(exc) from None
        module = types.ModuleType("config")
        module.__file__ = path
        # A settings file is the user's own program; running it is what was asked for.
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102
        self.from_object(module)
        return True

    def from_object(self, obj: object | str) -> None:
        """Keep the attributes in upper case of `obj`, or of what its import name stands for.

        A class is not instantiated, so its properties are not evaluated: pass an instance
        for that. Raises `ImportError` for a name that cannot be imported.
        """
        source = import_string(obj) if isinstance(obj, str) else obj
        self.update((name, getattr(source, name)) for name in dir(source) if name.isupper())

    def from_file(
        self,
        filename: _Path,
        load: Callable[[t.IO[t.Any]], Mapping[str, t.Any]],
        silent: bool = False,
        text: bool = True,
    ) -> bool:
        """Load what `load` makes of an open file, as `json.load` or `tomllib.load` do.

        The file is opened for bytes if `text` is false, as `tomllib` wants. Returns whether
        it was loaded: with `silent`, a missing file or a directory gives `False` instead of
        `OSError`.
        """
        path = os.path.join(self.root_path, filename)
        forgiven = (errno.ENOENT, errno.EISDIR) if silent else ()
        try:
            with open(path, "r" if text else "rb") as file:
                loaded = load(file)
        except OSError as exc:
            if exc.errno in forgiven:
                return False
            raise _explained(exc) from None
        return self.from_mapping(loaded)

    def from_mapping(
        self,
        mapping: Mapping[str, t.Any] | Iterable[tuple[str, t.Any]] | None = None,
        **kwargs: t.Any,
    ) -> bool:
        """Keep the items whose key is in upper case, `kwargs` last; returns True."""
        given = dict(() if mapping is None else mapping, **kwargs)
        self.update((key, value) for key, value in given.items() if key.isupper())
        return True

    def get_namespace(
        self, namespace: str, lowercase: bool = True, trim_namespace: bool = True
    ) -> dict[str, t.Any]:
        """Return the items whose key starts with `namespace`, as a new dictionary.

        Keys lose that prefix unless `trim_namespace` is false, and come in lower case
        unless `lowercase` is false: ready to be passed on as keyword arguments.
        """
        cut = len(namespace) if trim_namespace else 0
        found = {key[cut:]: value for key, value in self.items() if key.startswith(namespace)}
        return {key.lower(): value for key, value in found.items()} if lowercase else found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict.__repr__(self)}>"


def _explained(exc: OSError) -> OSError:
    # OSError picks the subclass (FileNotFoundError, ...) by the number.
    reason = f"Unable to load configuration file ({exc.strerror})"
    return OSError(exc.errno, reason, exc.filename)
