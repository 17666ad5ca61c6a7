"""An application being put together: its settings, routes, blueprints and template parts.

`App` is the part of an application that knows no protocol and handles no request; `Flask`
adds that in `app.py`.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Callable, Iterable, ValuesView
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from werkzeug.datastructures import ImmutableDict
from werkzeug.exceptions import Aborter, BadRequest, BadRequestKeyError
from werkzeug.routing import BuildError, Map, Rule
from werkzeug.utils import cached_property
from werkzeug.utils import redirect as _redirect

from . import typing as ft
from .config import Config, ConfigAttribute, default_config
from .ctx import _AppCtxGlobals
from .helpers import get_debug_flag
from .json.provider import DefaultJSONProvider, JSONProvider
from .live import LiveDict
from .packages import find_instance_path
from .routing import LiveMap
from .scaffold import (
    Scaffold,
    SetupError,
    T_teardown,
    T_template_filter,
    T_template_global,
    T_template_test,
    _endpoint_from_view_func,
    adder,
    leave_open,
    setupmethod,
)
from .templating import (
    _default_template_ctx_processor,
    create_global_jinja_loader,
    select_jinja_autoescape,
)

if TYPE_CHECKING:
    from jinja2 import Environment as BaseEnvironment
    from werkzeug.wrappers import Response as BaseResponse

    from .blueprints import Blueprint
    from .environment import DispatchingJinjaLoader, Environment

T = TypeVar("T")
T_shell_context_processor = TypeVar(
    "T_shell_context_processor", bound="ft.ShellContextProcessorCallable"
)


class _Computed(Generic[T]):
    """A class attribute worked out when it is read, as what it takes may not be there yet."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute

    def __get__(self, instance: object, owner: type) -> T:
        return self._compute()


def _environment_class() -> type[Environment]:
    from .environment import Environment  # brings Jinja

    return Environment


def _make_timedelta(value: timedelta | int | None) -> timedelta | None:
    """A number of seconds as a timedelta."""
    return value if value is None or isinstance(value, timedelta) else timedelta(seconds=value)


class App(Scaffold):
    """Base of `Flask`; the same arguments."""

    #: Raises for `abort`; see `make_aborter`.
    aborter_class: type[Aborter] = Aborter
    jinja_environment: Any = _Computed(_environment_class)
    #: The class of `g`.
    app_ctx_globals_class: Any = _AppCtxGlobals
    config_class: type[Config] = Config
    #: Whether tests run the application: errors propagate, extensions may help tests.
    testing = ConfigAttribute[bool]("TESTING")
    #: Signs cookies; kept secret, at least 32 random bytes.
    secret_key = ConfigAttribute[str | bytes | None]("SECRET_KEY")
    #: How long a permanent session lives; a number counts seconds.
    permanent_session_lifetime = ConfigAttribute[timedelta](
        "PERMANENT_SESSION_LIFETIME",
        get_converter=_make_timedelta,  # type: ignore[arg-type]
    )
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    #: Arguments of the template environment; read when it is made.
    jinja_options: dict[str, Any] = {}
    url_rule_class: type[Rule] = Rule
    url_map_class: type[Map] = LiveMap
    test_client_class: Any = None
    test_cli_runner_class: Any = None
    #: What `config` starts with; HIPFLASK_DEFAULTS chooses the set.
    default_config: Any = _Computed(lambda: ImmutableDict(default_config()))
    response_class: Any

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: str | os.PathLike[str] | None = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: str | os.PathLike[str] | None = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        cell = self._cell
        if instance_path is None:
            instance_path = self.auto_find_instance_path()
        elif not os.path.isabs(instance_path):
            raise ValueError(
                f"instance_path={instance_path!r} must be absolute: nothing says what a relative"
                " one would be relative to. Use os.path.abspath or pathlib.Path.absolute."
            )
        #: The absolute path of the folder for what belongs to this deployment.
        self.instance_path = instance_path
        self.config = self.make_config(instance_relative_config)
        self.config.cell = cell
        #: Makes the HTTP exception that `abort` raises.
        self.aborter = self.make_aborter()
        # The protocol's remaining members are Flask's.
        this: Any = self
        self.json: JSONProvider = self.json_provider_class(this)
        self.url_map = self.url_map_class(host_matching=host_matching)
        #: What extensions keep for this application, by the extension's name.
        self.extensions: dict[str, Any] = {}
        #: Registered blueprints by their dotted names, in the order of registration.
        self.blueprints: dict[str, Blueprint] = {}
        self.shell_context_processors: list[ft.ShellContextProcessorCallable] = []
        self.teardown_appcontext_funcs: list[ft.TeardownCallable] = []
        #: Called with (error, endpoint, values) when a URL cannot be built.
        self.url_build_error_handlers: list[Callable[[Exception, str, dict[str, Any]], str]] = []
        if isinstance(self.url_map, LiveMap):
            self.url_map.cell = cell
            self.url_map.converters = LiveDict(self.url_map.converters)
        self.subdomain_matching = subdomain_matching
        #: Tell who calls, asked in this order: see `hipflask.security`.
        self.identities: list[Any] = []
        self.template_context_processors[None].append(_default_template_ctx_processor)
        self._got_first_request = False
        if self.has_static_folder:
            self._add_static_rule(static_host, host_matching)
        self._assembled()

    def _assembled(self) -> None:
        """What `Flask` does at the end of the constructor."""

    def _add_static_rule(self, static_host: str | None, host_matching: bool) -> None:
        if bool(static_host) != host_matching:
            raise SetupError(
                "static_host and host_matching go together: with host matching each rule needs a"
                f" host, without it a host means nothing (static_host={static_host!r},"
                f" host_matching={host_matching!r})."
            )
        this = weakref.ref(self)  # the view must not keep the application alive
        self.add_url_rule(
            f"{self.static_url_path}/<path:filename>",
            endpoint="static",
            host=static_host,
            view_func=lambda **arguments: this().send_static_file(**arguments),  # type: ignore[union-attr]
        )
        leave_open(self.url_map, "static")

    def send_static_file(self, filename: str) -> Any:
        """The view of the static files."""
        raise NotImplementedError

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_first_request:
            raise SetupError(
                f"The setup method '{f_name}' comes too late: the application has answered its"
                " first request, and what is registered now would hold for some requests only."
                " Import, decorate and register everything before it serves."
            )

    @cached_property
    def name(self) -> str:
        """The import name, or, for a script that is run, the name of its file."""
        if self.import_name != "__main__":
            return self.import_name
        path: str | None = getattr(sys.modules["__main__"], "__file__", None)
        if path is None:
            return "__main__"
        return os.path.splitext(os.path.basename(path))[0]

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger named after the application; see `hipflask.logging`."""
        from .logging import create_logger  # logging is for who logs

        this: Any = self
        return create_logger(this)

    @cached_property
    def jinja_env(self) -> Environment:
        """The template environment, made when first used. Settings made later are not seen."""
        environment: Environment = self.create_jinja_environment()
        return environment

    def create_jinja_environment(self) -> Any:
        """Make the template environment; override it to change more than `jinja_options` can."""
        raise NotImplementedError

    def make_config(self, instance_relative: bool = False) -> Config:
        """The configuration with its defaults, files relative to the root or instance path."""
        root = self.instance_path if instance_relative else self.root_path
        defaults = dict(self.default_config)
        defaults["DEBUG"] = get_debug_flag()
        return self.config_class(root, defaults)

    def make_aborter(self) -> Aborter:
        """Make `aborter`."""
        return self.aborter_class()

    def auto_find_instance_path(self) -> str:
        """Where the instance folder is if no `instance_path` was given."""
        return find_instance_path(self.import_name, self.name)

    def create_global_jinja_loader(self) -> DispatchingJinjaLoader:
        """Make the loader that looks in the application's templates, then the blueprints'."""
        return create_global_jinja_loader(self)

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Whether a template of that name is escaped; one made from a string is."""
        return select_jinja_autoescape(filename)

    @property
    def debug(self) -> bool:
        """Debug mode: set by `--debug` or FLASK_DEBUG; setting it later may change less."""
        return self.config["DEBUG"]  # type: ignore[no-any-return]

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value
        environment: BaseEnvironment | None = self.__dict__.get("jinja_env")
        if environment is not None and self.config["TEMPLATES_AUTO_RELOAD"] is None:
            environment.auto_reload = value

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Add a blueprint's routes, hooks, templates and commands.

        `url_prefix`, `subdomain`, `url_defaults`, `name` and `cli_group` replace those of the
        blueprint; `url_defaults` are added. Further options reach the recorded functions.
        """
        blueprint.register(self, options)

    def iter_blueprints(self) -> ValuesView[Blueprint]:
        """The registered blueprints, in the order of registration."""
        return self.blueprints.values()

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: ft.RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Route requests for `rule` to `view_func`, under the name `endpoint`.

        Methods: `methods`, else the view's attribute of that name, else GET. OPTIONS is
        answered for the view if `provide_automatic_options` (else the view's attribute, else
        PROVIDE_AUTOMATIC_OPTIONS) says so. `access` is a stance of `hipflask.security`,
        `stream=True` is `@streams_body` for this rule, `idempotent=True` keeps answers by their
        Idempotency-Key. Raises SetupError where the endpoint has another view already.
        """
        access = options.pop("access", None)
        if access is not None:
            _check_access(access, rule)
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)  # type: ignore[arg-type]
        methods = _methods_of(options.pop("methods", None), view_func)
        streams = options.pop("stream", False)  # Flask has no such option, nor has Werkzeug's rule
        idempotent = options.pop("idempotent", None)
        if idempotent is not None:
            idempotent = _check_idempotent(idempotent, rule, methods, streams)
        automatic = provide_automatic_options
        if automatic is None:
            automatic = getattr(view_func, "provide_automatic_options", None)
        required = {method.upper() for method in getattr(view_func, "required_methods", ())}
        if automatic is None:
            automatic = "OPTIONS" not in methods and self.config["PROVIDE_AUTOMATIC_OPTIONS"]
            if automatic:
                required.add("OPTIONS")
        if view_func is not None:
            self._check_endpoint_free(endpoint, rule, view_func)
        bound = self.url_rule_class(rule, methods=methods | required, endpoint=endpoint, **options)
        bound.provide_automatic_options = automatic  # type: ignore[attr-defined]
        bound.access = access  # type: ignore[attr-defined]
        bound.streams_body = streams  # type: ignore[attr-defined]
        if idempotent is not None:
            bound.idempotent = idempotent  # type: ignore[attr-defined]
        self.url_map.add(bound)
        if view_func is not None:
            self.view_functions[endpoint] = view_func

    def _check_endpoint_free(self, endpoint: str, rule: str, view: Callable[..., Any]) -> None:
        known = self.view_functions.get(endpoint)
        if known is None or known == view:
            return
        raise SetupError(
            f"The rule {rule!r} is overwriting an existing endpoint function: {endpoint!r}"
            f" leads to {_place_of(known)}, and would lead to {_place_of(view)}. Name one of"
            " them with endpoint=..., or use functools.wraps in the decorator around the view."
        )

    @setupmethod
    def shell_context_processor(self, f: T_shell_context_processor) -> T_shell_context_processor:
        """Call `f` when a shell starts; the dict it returns is added to the shell's names."""
        self.shell_context_processors.append(f)
        return f

    @setupmethod
    def teardown_appcontext(self, f: T_teardown) -> T_teardown:
        """Call `f` when an application context is popped, with the exception or None."""
        self.teardown_appcontext_funcs.append(f)
        return f

    @setupmethod
    def template_filter(
        self, name: str | None = None
    ) -> Callable[[T_template_filter], T_template_filter]:
        """Decorate a template filter, named as the function unless `name` is given."""
        return adder(self.add_template_filter, name)

    @setupmethod
    def add_template_filter(self, f: ft.TemplateFilterCallable, name: str | None = None) -> None:
        """Register `f` as a template filter."""
        self.jinja_env.filters[name or f.__name__] = f

    @setupmethod
    def template_test(
        self, name: str | None = None
    ) -> Callable[[T_template_test], T_template_test]:
        """Decorate a template test, named as the function unless `name` is given."""
        return adder(self.add_template_test, name)

    @setupmethod
    def add_template_test(self, f: ft.TemplateTestCallable, name: str | None = None) -> None:
        """Register `f` as a template test."""
        self.jinja_env.tests[name or f.__name__] = f

    @setupmethod
    def template_global(
        self, name: str | None = None
    ) -> Callable[[T_template_global], T_template_global]:
        """Decorate a function for templates, named as the function unless `name` is given."""
        return adder(self.add_template_global, name)

    @setupmethod
    def add_template_global(self, f: ft.TemplateGlobalCallable, name: str | None = None) -> None:
        """Register `f` as a function that templates may call."""
        self.jinja_env.globals[name or f.__name__] = f

    def _find_error_handler(
        self, e: Exception, blueprints: Iterable[str]
    ) -> ft.ErrorHandlerCallable | None:
        """The handler for `e`: by code, then by class, the inmost blueprint first in both.

        Within one dictionary the class nearest to the exception's own wins.
        """
        exc_class, code = self._get_exc_class_and_code(type(e))
        scopes = (*blueprints, None)
        for key in (code, None) if code is not None else (None,):
            for scope in scopes:
                by_code = self.error_handler_spec.get(scope)
                by_class = by_code.get(key) if by_code else None
                if not by_class:
                    continue
                for ancestor in exc_class.__mro__:
                    handler = by_class.get(ancestor)
                    if handler is not None:
                        return handler
        return None

    def trap_http_exception(self, e: Exception) -> bool:
        """Whether an HTTP exception is treated as an error: TRAP_HTTP_EXCEPTIONS and the like.

        A missing form key counts in debug mode, other bad requests only where
        TRAP_BAD_REQUEST_ERRORS says so.
        """
        if self.config["TRAP_HTTP_EXCEPTIONS"]:
            return True
        trap = self.config["TRAP_BAD_REQUEST_ERRORS"]
        if trap is None:
            return self.debug and isinstance(e, BadRequestKeyError)
        return bool(trap) and isinstance(e, BadRequest)

    def should_ignore_error(self, error: BaseException | None) -> bool:
        """Whether the teardown functions are told of no error; override it to say so."""
        return False

    def redirect(self, location: str, code: int = 302) -> BaseResponse:
        """The response that sends the client to `location`."""
        return _redirect(location, code=code, Response=self.response_class)

    def inject_url_defaults(self, endpoint: str, values: dict[str, Any]) -> None:
        """Let the `url_defaults` functions add to `values`: the application's, then inwards."""
        scopes: list[str | None] = [None]
        name, _, _ = endpoint.rpartition(".")
        parts = name.split(".") if name else []
        scopes.extend(".".join(parts[: depth + 1]) for depth in range(len(parts)))
        for scope in scopes:
            for add_defaults in self.url_default_functions.get(scope, ()):
                add_defaults(endpoint, values)

    def handle_url_build_error(
        self, error: BuildError, endpoint: str, values: dict[str, Any]
    ) -> str:
        """The URL that one of `url_build_error_handlers` gives; raises `error` if none does."""
        last = error
        for handler in self.url_build_error_handlers:
            try:
                url = handler(last, endpoint, values)
            except BuildError as again:
                last = again
            else:
                if url is not None:
                    return url
        raise last


def _check_access(access: Any, rule: str) -> None:
    from .security.stances import stance_of  # loaded by whoever declares one

    stance_of(access, f"the route {rule!r}")


def _check_idempotent(idempotent: Any, rule: str, methods: set[str], streams: bool) -> Any:
    from .state.options import options_of  # as above

    return options_of(idempotent, rule, methods, streams)


def _methods_of(methods: Any, view: Any) -> set[str]:
    if methods is None:
        methods = getattr(view, "methods", None) or ("GET",)
    if isinstance(methods, str):
        raise TypeError(
            f"methods={methods!r} is a text, and each of its letters would count as a method."
            f" Write methods=[{methods!r}]."
        )
    return {method.upper() for method in methods}


def _place_of(function: Callable[..., Any]) -> str:
    """A function with the file and line it is defined at, for a message."""
    name = getattr(function, "__name__", repr(function))
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
