"""The proxies for users: `request`, `g`, `session`, `current_app` and the two contexts.

One context variable holds the context pushed last. A context knows which application
context and which request context are current while it is on top, so that both faces of
Flask's documentation are answered from one look-up. The framework itself never uses the
proxies; it is handed the context or asks `_cv_app` and `_cv_request`.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from threading import local
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from .app import Flask
    from .ctx import AppContext, RequestContext, _AppCtxGlobals
    from .sessions import SessionMixin
    from .websockets import WebSocket
    from .wrappers import Request
    from .wrappers import Response as Response  # for json/, whose users must see the type

T = TypeVar("T")

# The context pushed last, of whichever kind; None between requests.
_cv_current: ContextVar[Any] = ContextVar("hipflask.context", default=None)

_no_app_msg = """\
Working outside of application context.

This needs to know which application it is for, and no application is current here.
Wrap the call in `with app.app_context():`, or run it while a request is handled.\
"""
_no_req_msg = """\
Working outside of request context.

This reads the HTTP request being handled, and none is being handled here. In a test,
wrap the call in `with app.test_request_context():`; in a thread of your own, hand over
what you need or use `copy_current_request_context`.\
"""
_no_socket_msg = """\
Working outside of a WebSocket.

This is the connection that a view of `app.websocket` serves, and none is being served
here. Hand the connection over as an argument to what runs elsewhere.\
"""


def _current_app_context() -> Any:
    ctx = _cv_current.get()
    if ctx is None:
        raise RuntimeError(_no_app_msg)
    return ctx.app_ctx


def _current_request_context() -> Any:
    ctx = _cv_current.get()
    if ctx is not None and ctx._is_shown:
        return ctx
    if ctx is None or (ctx := ctx.request_ctx) is None:
        raise RuntimeError(_no_req_msg)
    return ctx


def _current_app() -> Any:
    ctx = _cv_current.get()
    if ctx is None:
        raise RuntimeError(_no_app_msg)
    return ctx.app


def _current_g() -> Any:
    ctx = _cv_current.get()
    if ctx is None:
        raise RuntimeError(_no_app_msg)
    return (ctx._app_face or ctx).g


def _current_request() -> Any:
    return _current_request_context().request


def _current_session() -> Any:
    return _current_request_context().session


def _current_websocket() -> Any:
    ctx = _cv_current.get()
    found = None if ctx is None else getattr(ctx.request_ctx, "websocket", None)
    if found is None:
        raise RuntimeError(_no_socket_msg)
    return found


class _Face(Generic[T]):
    """One of the two faces of the context variable, with a context variable's methods.

    Extensions written for Flask 2.2 to 3.1 call `_cv_app.get(None)` and `_cv_request.get()`,
    a few of them `set` and `reset`.
    """

    __slots__ = ("_attribute", "name")

    def __init__(self, name: str, attribute: str) -> None:
        self.name = name
        self._attribute = attribute

    def get(self, *default: Any) -> Any:
        ctx = _cv_current.get()
        found = None if ctx is None else getattr(ctx, self._attribute)
        if found is not None:
            return found
        if default:
            return default[0]
        raise LookupError(self.name)

    def set(self, value: T) -> Token[Any]:
        return _cv_current.set(value)

    def reset(self, token: Token[Any]) -> None:
        _cv_current.reset(token)


_cv_app: _Face[AppContext] = _Face("flask.app_ctx", "app_ctx")
_cv_request: _Face[RequestContext] = _Face("flask.request_ctx", "request_ctx")


# What a proxy answers itself: Werkzeug's methods and what they need.
_OWN = frozenset(dir(LocalProxy)) - {"__class__"}
_own = object.__getattribute__


class _Missed(local):
    """The attribute that was looked for last in this thread without success, and the error."""

    name: str | None = None
    error: AttributeError | None = None

    def note(self, name: str, error: AttributeError) -> None:
        self.name = name
        self.error = error


_missed = _Missed()


class _Proxy(LocalProxy[Any]):
    """Werkzeug's proxy with plain functions where views use it most.

    A subclass reads an attribute in its `__getattribute__`: Werkzeug's way looks through the
    class in vain first and has a descriptor make a partial function then. Measured on Python
    3.11 in instructions (callgrind): `g.user` 9,300 and 2,500, `session["a"] = 1` 12,600 and
    2,300, `request.args` 6,000 and 2,500.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        cls.__name__ = LocalProxy.__name__  # what an unbound one shows

    def __getattr__(self, name: str) -> Any:
        # Python comes here with what `__getattribute__` did not find. The object is not asked
        # again, as a property of it would do its work twice.
        error, _missed.error = _missed.error, None
        if error is not None and _missed.name == name:
            raise error
        return getattr(self._get_current_object(), name)


class _RequestProxy(_Proxy):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name not in _OWN:
            ctx = _cv_current.get()
            if ctx is not None and ctx._is_shown:
                request = ctx._request
                if request is None:
                    request = ctx.make_request()
                try:
                    return getattr(request, name)
                except AttributeError as error:
                    _missed.note(name, error)
                    raise
        return _own(self, name)


class _SessionProxy(_Proxy):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name not in _OWN:
            ctx = _cv_current.get()
            if ctx is not None and ctx._is_shown:
                try:
                    return getattr(ctx.session, name)
                except AttributeError as error:
                    _missed.note(name, error)
                    raise
        return _own(self, name)

    def __getitem__(self, key: Any) -> Any:
        return _current_request_context().session[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        _current_request_context().session[key] = value

    def __contains__(self, key: Any) -> bool:
        return key in _current_request_context().session


class _AppProxy(_Proxy):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name not in _OWN and (ctx := _cv_current.get()) is not None:
            try:
                return getattr(ctx.app, name)
            except AttributeError as error:
                _missed.note(name, error)
                raise
        return _own(self, name)


class _GProxy(_Proxy):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name not in _OWN and (ctx := _cv_current.get()) is not None:
            try:
                return getattr((ctx._app_face or ctx).g, name)
            except AttributeError as error:
                _missed.note(name, error)
                raise
        return _own(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_current_g(), name, value)

    def __contains__(self, name: str) -> bool:
        return name in _current_g()


app_ctx: AppContext = LocalProxy(_current_app_context)  # type: ignore[assignment]
current_app: Flask = _AppProxy(_current_app)  # type: ignore[assignment]
g: _AppCtxGlobals = _GProxy(_current_g)  # type: ignore[assignment]
request_ctx: RequestContext = LocalProxy(_current_request_context)  # type: ignore[assignment]
request: Request = _RequestProxy(_current_request)  # type: ignore[assignment]
session: SessionMixin = _SessionProxy(_current_session)  # type: ignore[assignment]
websocket: WebSocket = LocalProxy(_current_websocket)  # type: ignore[assignment]
