"""What an application and a blueprint share: routes, hooks and error handlers."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Self, TypeVar

from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.utils import cached_property

from . import typing as ft
from .bridge import is_async
from .live import Cell, LiveDict, LiveHooks, LiveList, LiveType, empty_all
from .packages import get_root_path

if TYPE_CHECKING:
    from click import Group
    from jinja2 import BaseLoader

    _HandlersByCode = dict[int | None, dict[type[Exception], ft.ErrorHandlerCallable]]

F = TypeVar("F", bound=Callable[..., Any])
# Bounds are texts, so that what they name is not made until somebody asks.
T_after_request = TypeVar("T_after_request", bound="ft.AfterRequestCallable[Any]")
T_before_request = TypeVar("T_before_request", bound="ft.BeforeRequestCallable")
T_error_handler = TypeVar("T_error_handler", bound="ft.ErrorHandlerCallable")
T_teardown = TypeVar("T_teardown", bound="ft.TeardownCallable")
T_template_context_processor = TypeVar(
    "T_template_context_processor", bound="ft.TemplateContextProcessorCallable"
)
T_template_filter = TypeVar("T_template_filter", bound="ft.TemplateFilterCallable")
T_template_global = TypeVar("T_template_global", bound="ft.TemplateGlobalCallable")
T_template_test = TypeVar("T_template_test", bound="ft.TemplateTestCallable")
T_url_defaults = TypeVar("T_url_defaults", bound="ft.URLDefaultCallable")
T_url_value_preprocessor = TypeVar(
    "T_url_value_preprocessor", bound="ft.URLValuePreprocessorCallable"
)
T_route = TypeVar("T_route", bound="ft.RouteCallable")

# "Not given", where None has a meaning of its own.
_sentinel: Any = object()


# The access of rules that are open unless somebody declares otherwise: static files.
OPEN: Any = "open"


def _split_blueprint_path(name: str) -> list[str]:
    """A blueprint's dotted name and those of the blueprints around it, inmost first."""
    names = [name]
    while "." in name:
        name = name.rpartition(".")[0]
        names.append(name)
    return names


def _live_list(cell: Cell, items: Any) -> Any:
    """A list as one that says when it changes; a ported application's own attribute stays."""
    return LiveList.of(cell, items) if isinstance(items, (list, tuple)) else items


# What a plan (`sealing.py`) rests on besides what the class has: set on each instance, the
# containers as ones that say when they change.
_PLANNED: dict[str, Callable[[Cell, Any], Any]] = {
    "after_request_funcs": LiveHooks.of,
    "before_request_funcs": LiveHooks.of,
    "teardown_request_funcs": LiveHooks.of,
    "url_value_preprocessors": LiveHooks.of,
    "before_websocket_funcs": LiveHooks.of,
    "after_websocket_funcs": LiveHooks.of,
    "teardown_websocket_funcs": LiveHooks.of,
    "teardown_appcontext_funcs": LiveList.of,
    "view_functions": LiveDict.of,
    "identities": _live_list,
}
_PLANNED_AS_THEY_ARE = frozenset(("config", "json", "subdomain_matching", "url_map"))


class SetupError(AssertionError):
    """The application is being put together in a way that cannot work."""


def setupmethod(f: F) -> F:
    """Mark a method that registers something: refused once requests are being handled."""
    name = f.__name__

    def registering(self: Scaffold, *args: Any, **kwargs: Any) -> Any:
        self._check_setup_finished(name)
        return f(self, *args, **kwargs)

    return update_wrapper(registering, f)  # type: ignore[return-value]


def declared_access(app: Any, rule: Any, endpoint: Any) -> Iterator[tuple[Any, str]]:
    """What is declared about who may call a rule, innermost first, each with where it stands.

    The values are not looked at: `hipflask.security` knows what they may be. While nobody has
    imported that, there are no stances, and what is named `access` is something else.
    """
    own = getattr(rule, "access", None)
    if own is OPEN or "hipflask.security" not in sys.modules:
        return
    if own is not None:
        yield own, f"the route {rule.rule!r}"
    view_class: Any = getattr(app.view_functions.get(endpoint), "view_class", None)
    if getattr(view_class, "access", None) is not None:
        yield view_class.access, f"the view class {view_class.__qualname__}"
    name = endpoint if isinstance(endpoint, str) else ""
    while "." in name:
        name = name.rpartition(".")[0]
        access = getattr(app.blueprints.get(name), "access", None)
        if access is not None:
            yield access, f"the blueprint {name!r}"
    if app.access is not None:
        yield app.access, "the application"


def adder(add: Callable[..., None], name: str | None) -> Callable[[Any], Any]:
    """The decorator that hands a function to `add` and returns it."""

    def register(function: Any) -> Any:
        add(function, name=name)
        return function

    return register


def leave_open(url_map: Any, endpoint: str) -> None:
    """Have the rules of an endpoint, static files, not follow what is declared around them."""
    for rule in url_map._rules_by_endpoint.get(endpoint, ()):
        rule.access = OPEN


def _endpoint_from_view_func(view_func: ft.RouteCallable) -> str:
    """The endpoint a view gets when none is named: the function's name."""
    if view_func is None:
        raise SetupError("A rule without an endpoint needs a view function to be named after.")
    return view_func.__name__


def _check_serves_websocket(rule: str, view: Any) -> None:
    if is_async(view):
        return
    code = getattr(view, "__code__", None)
    place = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
    raise SetupError(
        f"The WebSocket view {getattr(view, '__name__', view)!r}{place} for {rule!r} is a plain"
        " function. A connection lasts, and would keep a thread for as long: write it as"
        " 'async def', and what blocks in it as 'await asyncio.to_thread(...)'."
    )


class Scaffold(metaclass=LiveType):
    """Base of `Flask` and `Blueprint`; not made by itself.

    `import_name` is the module the object is made in (`__name__`), from which `root_path`
    and with it the static and template folders are found. Folders are relative to
    `root_path` unless absolute.
    """

    cli: Group
    name: str
    #: Who may call the routes that say nothing of their own: a stance of `hipflask.security`.
    access: Any = None
    _static_folder: str | None = None
    _static_url_path: str | None = None

    _cell: Cell

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Before any constructor: a subclass may set attributes before calling ours.
        scaffold = super().__new__(cls)
        scaffold.__dict__["_cell"] = Cell()
        return scaffold

    def __init__(
        self,
        import_name: str,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        root_path: str | None = None,
    ) -> None:
        #: The name of the module the object belongs to.
        self.import_name = import_name
        self.static_folder = static_folder
        self.static_url_path = static_url_path
        #: Where templates lie, relative to `root_path`; None for none.
        self.template_folder = template_folder
        #: The absolute path that folders and resources are relative to.
        self.root_path = get_root_path(import_name) if root_path is None else root_path

        # Written to by extensions as well, at any time before the first request and some
        # of them after it. Those that a request runs are made live by `__setattr__`.
        #: endpoint -> view
        self.view_functions: dict[str, ft.RouteCallable] = {}
        #: scope -> functions; the scope of the application itself is None
        self.before_request_funcs: dict[ft.AppOrBlueprintKey, list[ft.BeforeRequestCallable]] = {}
        self.after_request_funcs: dict[
            ft.AppOrBlueprintKey, list[ft.AfterRequestCallable[Any]]
        ] = {}
        self.teardown_request_funcs: dict[ft.AppOrBlueprintKey, list[ft.TeardownCallable]] = {}
        self.url_value_preprocessors: dict[
            ft.AppOrBlueprintKey, list[ft.URLValuePreprocessorCallable]
        ] = {}
        # The same for WebSockets, which Flask does not have.
        self.before_websocket_funcs: dict[ft.AppOrBlueprintKey, list[Callable[[], Any]]] = {}
        self.after_websocket_funcs: dict[ft.AppOrBlueprintKey, list[Callable[[Any], Any]]] = {}
        self.teardown_websocket_funcs: dict[ft.AppOrBlueprintKey, list[ft.TeardownCallable]] = {}
        self.url_default_functions: dict[ft.AppOrBlueprintKey, list[ft.URLDefaultCallable]] = (
            defaultdict(list)
        )
        self.template_context_processors: dict[
            ft.AppOrBlueprintKey, list[ft.TemplateContextProcessorCallable]
        ] = defaultdict(list)
        #: scope -> status code or None -> exception class -> handler
        self.error_handler_spec: dict[ft.AppOrBlueprintKey, _HandlersByCode] = defaultdict(
            lambda: defaultdict(dict)
        )

    def __setattr__(self, name: str, value: Any) -> None:
        # A method or container replaced on the instance changes what a request runs. An
        # attribute of the application's own, such as a counter, does not.
        live = _PLANNED.get(name)
        object.__setattr__(self, name, value if live is None else live(self._cell, value))
        self._note(name)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._note(name)

    def _note(self, name: str) -> None:
        if name == "access":
            empty_all()  # a blueprint does not know the applications it is registered on
        if name in _PLANNED or name in _PLANNED_AS_THEY_ARE or hasattr(type(self), name):
            self._cell.empty()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_setup_finished(self, f_name: str) -> None:
        raise NotImplementedError

    @property
    def static_folder(self) -> str | None:
        """The absolute path of the folder that static files are served from, or None."""
        if self._static_folder is None:
            return None
        return os.path.join(self.root_path, self._static_folder)

    @static_folder.setter
    def static_folder(self, value: str | os.PathLike[str] | None) -> None:
        self._static_folder = None if value is None else os.fspath(value).rstrip(r"\/")

    @property
    def has_static_folder(self) -> bool:
        """Whether `static_folder` is set; the folder need not exist."""
        return self._static_folder is not None

    @property
    def static_url_path(self) -> str | None:
        """The URL prefix of static files: as set, else "/" and the folder's name."""
        if self._static_url_path is not None:
            return self._static_url_path
        if self.static_folder is None:
            return None
        return f"/{os.path.basename(self.static_folder)}".rstrip("/")

    @static_url_path.setter
    def static_url_path(self, value: str | None) -> None:
        self._static_url_path = None if value is None else value.rstrip("/")

    @cached_property
    def jinja_loader(self) -> BaseLoader | None:
        """Loads the templates of `template_folder`; None without a folder."""
        if self.template_folder is None:
            return None
        from jinja2 import FileSystemLoader  # first render only

        return FileSystemLoader(os.path.join(self.root_path, self.template_folder))

    def _method_route(
        self, method: str, rule: str, options: dict[str, Any]
    ) -> Callable[[T_route], T_route]:
        if "methods" in options:
            raise TypeError(
                f"{method.lower()}() registers for {method} alone, yet was given"
                f" methods={options['methods']!r}. Use route() to name several."
            )
        return self.route(rule, **options, methods=(method,))

    @setupmethod
    def delete(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for DELETE requests to `rule`."""
        return self._method_route("DELETE", rule, options)

    @setupmethod
    def get(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for GET (and HEAD) requests to `rule`; options as for `route`."""
        return self._method_route("GET", rule, options)

    @setupmethod
    def patch(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for PATCH requests to `rule`."""
        return self._method_route("PATCH", rule, options)

    @setupmethod
    def post(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for POST requests to `rule`."""
        return self._method_route("POST", rule, options)

    @setupmethod
    def put(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for PUT requests to `rule`."""
        return self._method_route("PUT", rule, options)

    @setupmethod
    def route(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view for requests to `rule`.

        `endpoint` names it (default: the function's name), `methods` says what it takes
        (default: GET, with HEAD and OPTIONS answered as well), `access` who may call it (see
        `hipflask.security`), `stream=True` leaves the body to the view as `@streams_body` does,
        `idempotent=True` answers a repeated POST or PATCH as it was answered the first time;
        further options are those of `werkzeug.routing.Rule`.
        """

        def register(view: T_route) -> T_route:
            self.add_url_rule(rule, options.pop("endpoint", None), view, **options)
            return view

        return register

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: ft.RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Route requests for `rule` to `view_func`; what `route` does without a decorator."""
        raise NotImplementedError

    @setupmethod
    def websocket(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Decorate the coroutine function that serves WebSocket connections to `rule`.

        It talks to the client through `hipflask.websocket`, or through a parameter annotated
        `WebSocket`; the connection ends with it. `endpoint` and further options are those of
        `route`; `methods` has no place here. Raises SetupError for a plain function.

            @app.websocket("/echo")
            async def echo():
                async for message in websocket:
                    await websocket.send(message)
        """

        def register(view: F) -> F:
            _check_serves_websocket(rule, view)
            self.add_url_rule(
                rule,
                options.pop("endpoint", None),
                view,
                provide_automatic_options=False,
                methods=("GET",),
                websocket=True,
                **options,
            )
            return view

        return register

    @setupmethod
    def before_websocket(self, f: F) -> F:
        """Call `f` before each WebSocket view.

        What it returns, if not None, is the response that refuses the connection.
        """
        self.before_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def after_websocket(self, f: F) -> F:
        """Call `f` when a WebSocket view has ended, last registered first.

        It gets the response that refuses the connection, or None where that was accepted, and
        returns the response or None.
        """
        self.after_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def teardown_websocket(self, f: T_teardown) -> T_teardown:
        """Call `f` when a WebSocket's context is popped, with the exception or None.

        A client that goes away is no exception.
        """
        self.teardown_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def endpoint(self, endpoint: str) -> Callable[[F], F]:
        """Decorate the view of an endpoint whose rule was added without one."""

        def register(view: F) -> F:
            self.view_functions[endpoint] = view
            return view

        return register

    @setupmethod
    def teardown_request(self, f: T_teardown) -> T_teardown:
        """Call `f` when a request's context is popped, with the exception or None."""
        self.teardown_request_funcs[None].append(f)
        return f

    @setupmethod
    def before_request(self, f: T_before_request) -> T_before_request:
        """Call `f` before each view; what it returns, if not None, is the answer."""
        self.before_request_funcs[None].append(f)
        return f

    @setupmethod
    def after_request(self, f: T_after_request) -> T_after_request:
        """Call `f` with each response, last registered first; it returns the response."""
        self.after_request_funcs[None].append(f)
        return f

    @setupmethod
    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Call `f` with the endpoint and the values when a URL is built; it may add values."""
        self.url_default_functions[None].append(f)
        return f

    @setupmethod
    def url_value_preprocessor(self, f: T_url_value_preprocessor) -> T_url_value_preprocessor:
        """Call `f` with the endpoint and the URL's values before the functions before the view.

        It may change the values in place.
        """
        self.url_value_preprocessors[None].append(f)
        return f

    @setupmethod
    def context_processor(self, f: T_template_context_processor) -> T_template_context_processor:
        """Call `f` before a template is rendered; the dict it returns is added to its names."""
        self.template_context_processors[None].append(f)
        return f

    @setupmethod
    def errorhandler(
        self, code_or_exception: type[Exception] | int
    ) -> Callable[[T_error_handler], T_error_handler]:
        """Decorate the handler of an HTTP status code or of an exception class."""

        def register(handler: T_error_handler) -> T_error_handler:
            self.register_error_handler(code_or_exception, handler)
            return handler

        return register

    @setupmethod
    def register_error_handler(
        self, code_or_exception: type[Exception] | int, f: ft.ErrorHandlerCallable
    ) -> None:
        """Let `f` answer for an HTTP status code or an exception class."""
        exception, code = self._get_exc_class_and_code(code_or_exception)
        self.error_handler_spec[None][code][exception] = f

    @staticmethod
    def _get_exc_class_and_code(
        exc_class_or_code: type[Exception] | int,
    ) -> tuple[type[Exception], int | None]:
        """The exception class meant, and its status code if it is an HTTP exception."""
        given: Any = exc_class_or_code
        if isinstance(given, int):
            given = default_exceptions.get(given)
            if given is None:
                raise ValueError(
                    f"{exc_class_or_code} is no status code with an exception of its own. Use a"
                    " subclass of HTTPException with that code."
                )
        elif isinstance(given, Exception):
            raise TypeError(
                f"{given!r} is an instance, not a class. A handler is registered for an exception"
                " class or a status code."
            )
        if not (isinstance(given, type) and issubclass(given, Exception)):
            name = getattr(given, "__name__", repr(given))
            raise ValueError(f"'{name}' is not a subclass of Exception.")
        return given, given.code if issubclass(given, HTTPException) else None
