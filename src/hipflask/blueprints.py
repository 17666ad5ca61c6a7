"""Blueprints: a scaffold recorded now and applied when it is registered.

A rule or an application-wide hook of a blueprint is kept as a function of the setup state;
`register` calls these with the state of that registration. Hooks of the blueprint itself
are merged into the application's dictionaries under the blueprint's dotted name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from . import typing as ft
from .helpers import get_send_file_max_age, send_static_file
from .packages import open_resource
from .scaffold import (
    F,
    Scaffold,
    SetupError,
    T_after_request,
    T_before_request,
    T_error_handler,
    T_teardown,
    T_template_context_processor,
    T_template_filter,
    T_template_global,
    T_template_test,
    T_url_defaults,
    T_url_value_preprocessor,
    _endpoint_from_view_func,
    _sentinel,
    adder,
    leave_open,
    setupmethod,
)

if TYPE_CHECKING:
    from .wrappers import Response

DeferredSetupFunction = Callable[["BlueprintSetupState"], None]


def _join_prefixes(outer: str | None, inner: str | None) -> str | None:
    """Two URL prefixes with one slash between them; the other where one is None."""
    if outer is None or inner is None:
        return outer if inner is None else inner
    return f"{outer.rstrip('/')}/{inner.lstrip('/')}"


class BlueprintSetupState:
    """One registration of a blueprint: where it goes, with which options.

    A function recorded on the blueprint gets it as its argument.
    """

    def __init__(
        self, blueprint: Blueprint, app: Any, options: Any, first_registration: bool
    ) -> None:
        def option(name: str, otherwise: Any) -> Any:
            given = options.get(name)
            return otherwise if given is None else given

        self.app = app
        self.blueprint = blueprint
        #: The keyword arguments of `register_blueprint`.
        self.options = options
        #: False where the same blueprint was registered before, under another name.
        self.first_registration = first_registration
        self.subdomain = option("subdomain", blueprint.subdomain)
        self.url_prefix = option("url_prefix", blueprint.url_prefix)
        self.name = options.get("name", blueprint.name)
        self.name_prefix = options.get("name_prefix", "")
        #: Defaults of every rule: the blueprint's, then those of this registration.
        self.url_defaults = {**blueprint.url_values_defaults, **(options.get("url_defaults") or {})}

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: ft.RouteCallable | None = None,
        **options: Any,
    ) -> None:
        """Add a rule to the application, with the registration's prefix, name and defaults."""
        if self.url_prefix is not None:
            # The prefix alone where the blueprint's rule is empty, so no slash is added to it.
            rule = _join_prefixes(self.url_prefix, rule) or "" if rule else self.url_prefix
        options.setdefault("subdomain", self.subdomain)
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)  # type: ignore[arg-type]
        defaults = {**self.url_defaults, **(options.pop("defaults", None) or {})}
        dotted = ".".join(part for part in (self.name_prefix, self.name, endpoint) if part)
        self.app.add_url_rule(rule, dotted, view_func, defaults=defaults, **options)


class Blueprint(Scaffold):
    """Routes, hooks and templates that are registered on an application as a whole.

    `name` is put before each endpoint; `url_prefix`, `subdomain` and `url_defaults` apply to
    all rules unless the registration says otherwise. `cli_group` names the group that the
    blueprint's commands go to: its own name by default, None for the application's own.
    """

    _got_registered_once = False

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: dict[str, Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = _sentinel,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if not name:
            raise ValueError("A blueprint needs a name; it was given an empty one.")
        if "." in name:
            raise ValueError(
                f"The blueprint name {name!r} contains a dot, which separates nested names."
            )
        self.name = name
        self.url_prefix = url_prefix
        self.subdomain = subdomain
        self.url_values_defaults = {} if url_defaults is None else url_defaults
        self.cli_group = cli_group
        #: What to do with the state of each registration, in order.
        self.deferred_functions: list[DeferredSetupFunction] = []
        self._blueprints: list[tuple[Blueprint, dict[str, Any]]] = []

    @property
    def cli(self) -> Any:
        """The Click group of the blueprint's commands; made when first used."""
        group = self.__dict__.get("cli")
        if group is None:
            from .cli import AppGroup  # Click costs 20 ms

            group = self.__dict__["cli"] = AppGroup()
        return group

    @cli.setter
    def cli(self, group: Any) -> None:
        self.__dict__["cli"] = group

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_registered_once:
            raise SetupError(
                f"The setup method '{f_name}' comes too late: the blueprint '{self.name}' was"
                " registered before, and the change would not reach that registration. Do all"
                " of a blueprint's set-up first."
            )

    @setupmethod
    def record(self, func: DeferredSetupFunction) -> None:
        """Call `func` with the setup state at each registration."""
        self.deferred_functions.append(func)

    @setupmethod
    def record_once(self, func: DeferredSetupFunction) -> None:
        """Call `func` with the setup state at the first registration only."""

        def at_first(state: BlueprintSetupState) -> None:
            if state.first_registration:
                func(state)

        self.record(update_wrapper(at_first, func))

    def make_setup_state(
        self, app: Any, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """The state passed to recorded functions; override it to pass a class of your own."""
        return BlueprintSetupState(self, app, options, first_registration)

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Nest `blueprint`: it is registered together with this one, under its name and prefix."""
        if blueprint is self:
            raise ValueError(f"The blueprint '{self.name}' cannot be registered on itself.")
        self._blueprints.append((blueprint, options))

    def register(self, app: Any, options: dict[str, Any]) -> None:
        """Apply the blueprint to `app`; called by `app.register_blueprint`.

        Raises ValueError if the name is taken.
        """
        if "access" in options:
            raise SetupError(
                f"The blueprint '{self.name}' is registered with access=..., which belongs to the"
                " blueprint: set its attribute 'access' instead."
            )
        own_name = options.get("name", self.name)
        name = f"{options.get('name_prefix', '')}.{own_name}".lstrip(".")
        taken = app.blueprints.get(name)
        if taken is not None:
            which = "this very blueprint" if taken is self else "another blueprint"
            raise ValueError(
                f"The name '{name}' is already registered for {which}. Give one of the"
                " registrations a name of its own: register_blueprint(..., name=...)."
            )
        first = all(known is not self for known in app.blueprints.values())
        app.blueprints[name] = self
        self._got_registered_once = True
        state = self.make_setup_state(app, options, first)
        if self.has_static_folder:
            state.add_url_rule(
                f"{self.static_url_path}/<path:filename>",
                view_func=self.send_static_file,
                endpoint="static",
            )
            leave_open(app.url_map, f"{name}.static")
        self._merge_blueprint_funcs(app, name)
        for deferred in self.deferred_functions:
            deferred(state)
        self._register_commands(app, options, name)
        for nested, nested_options in self._blueprints:
            nested.register(app, _nested_options(state, name, nested, nested_options))

    def _register_commands(self, app: Any, options: dict[str, Any], name: str) -> None:
        group = self.__dict__.get("cli")
        if group is None or not group.commands:
            return
        group_name = options.get("cli_group", self.cli_group)
        if group_name is None:
            app.cli.commands.update(group.commands)
            return
        group.name = name if group_name is _sentinel else group_name
        app.cli.add_command(group)

    def _merge_blueprint_funcs(self, app: Any, name: str) -> None:
        """Put the blueprint's hooks, handlers and views under its dotted name in `app`."""

        def scoped(scope: str | None) -> str:
            return name if scope is None else f"{name}.{scope}"

        for scope, by_code in self.error_handler_spec.items():
            for code, by_class in by_code.items():
                app.error_handler_spec[scoped(scope)][code].update(by_class)
        for endpoint, view in self.view_functions.items():
            app.view_functions[endpoint] = view
        for attribute in (
            "before_request_funcs",
            "after_request_funcs",
            "teardown_request_funcs",
            "before_websocket_funcs",
            "after_websocket_funcs",
            "teardown_websocket_funcs",
            "url_default_functions",
            "url_value_preprocessors",
            "template_context_processors",
        ):
            target = getattr(app, attribute)
            for scope, functions in getattr(self, attribute).items():
                if functions:
                    target[scoped(scope)].extend(functions)

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: ft.RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Record a rule; it is added with the blueprint's prefix at registration.

        Raises ValueError for a dot in the endpoint or in the view's name.
        """
        if endpoint and "." in endpoint:
            raise ValueError(f"The endpoint {endpoint!r} contains a dot; blueprints add their own.")
        name = getattr(view_func, "__name__", None)
        if name and "." in name:
            raise ValueError(f"The view function name {name!r} contains a dot; name an endpoint.")
        self.record(
            lambda state: state.add_url_rule(
                rule,
                endpoint,
                view_func,
                provide_automatic_options=provide_automatic_options,
                **options,
            )
        )

    # What follows is about the whole application, not the blueprint's own requests.

    def _record_once_on_app(self, register: Callable[[Any], None]) -> None:
        self.record_once(lambda state: register(state.app))

    @setupmethod
    def app_template_filter(
        self, name: str | None = None
    ) -> Callable[[T_template_filter], T_template_filter]:
        """Decorate a template filter for the whole application."""
        return adder(self.add_app_template_filter, name)

    @setupmethod
    def add_app_template_filter(
        self, f: ft.TemplateFilterCallable, name: str | None = None
    ) -> None:
        """Register `f` as a template filter for the whole application."""
        self._record_once_on_app(lambda app: app.add_template_filter(f, name))

    @setupmethod
    def app_template_test(
        self, name: str | None = None
    ) -> Callable[[T_template_test], T_template_test]:
        """Decorate a template test for the whole application."""
        return adder(self.add_app_template_test, name)

    @setupmethod
    def add_app_template_test(self, f: ft.TemplateTestCallable, name: str | None = None) -> None:
        """Register `f` as a template test for the whole application."""
        self._record_once_on_app(lambda app: app.add_template_test(f, name))

    @setupmethod
    def app_template_global(
        self, name: str | None = None
    ) -> Callable[[T_template_global], T_template_global]:
        """Decorate a template global for the whole application."""
        return adder(self.add_app_template_global, name)

    @setupmethod
    def add_app_template_global(
        self, f: ft.TemplateGlobalCallable, name: str | None = None
    ) -> None:
        """Register `f` as a template global for the whole application."""
        self._record_once_on_app(lambda app: app.add_template_global(f, name))

    @setupmethod
    def before_app_request(self, f: T_before_request) -> T_before_request:
        """`before_request` for every request of the application."""
        self._record_once_on_app(lambda app: app.before_request_funcs[None].append(f))
        return f

    @setupmethod
    def after_app_request(self, f: T_after_request) -> T_after_request:
        """`after_request` for every request of the application."""
        self._record_once_on_app(lambda app: app.after_request_funcs[None].append(f))
        return f

    @setupmethod
    def teardown_app_request(self, f: T_teardown) -> T_teardown:
        """`teardown_request` for every request of the application."""
        self._record_once_on_app(lambda app: app.teardown_request_funcs[None].append(f))
        return f

    @setupmethod
    def before_app_websocket(self, f: F) -> F:
        """`before_websocket` for every WebSocket of the application."""
        self._record_once_on_app(lambda app: app.before_websocket_funcs[None].append(f))
        return f

    @setupmethod
    def after_app_websocket(self, f: F) -> F:
        """`after_websocket` for every WebSocket of the application."""
        self._record_once_on_app(lambda app: app.after_websocket_funcs[None].append(f))
        return f

    @setupmethod
    def teardown_app_websocket(self, f: T_teardown) -> T_teardown:
        """`teardown_websocket` for every WebSocket of the application."""
        self._record_once_on_app(lambda app: app.teardown_websocket_funcs[None].append(f))
        return f

    @setupmethod
    def app_context_processor(
        self, f: T_template_context_processor
    ) -> T_template_context_processor:
        """`context_processor` for every template of the application."""
        self._record_once_on_app(lambda app: app.template_context_processors[None].append(f))
        return f

    @setupmethod
    def app_errorhandler(
        self, code: type[Exception] | int
    ) -> Callable[[T_error_handler], T_error_handler]:
        """`errorhandler` for every request of the application."""

        def register(handler: T_error_handler) -> T_error_handler:
            self._record_once_on_app(lambda app: app.errorhandler(code)(handler))
            return handler

        return register

    @setupmethod
    def app_url_value_preprocessor(self, f: T_url_value_preprocessor) -> T_url_value_preprocessor:
        """`url_value_preprocessor` for every request of the application."""
        self._record_once_on_app(lambda app: app.url_value_preprocessors[None].append(f))
        return f

    @setupmethod
    def app_url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """`url_defaults` for every URL of the application."""
        self._record_once_on_app(lambda app: app.url_default_functions[None].append(f))
        return f

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Seconds a browser may keep the static file; None to ask every time."""
        return get_send_file_max_age(filename)

    def send_static_file(self, filename: str) -> Response:
        """The view of the blueprint's static files."""
        return send_static_file(self, filename)

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> Any:
        """Open a file below `root_path` for reading; `encoding` counts in text mode."""
        return open_resource(self.root_path, resource, mode, encoding)


def _nested_options(
    state: BlueprintSetupState, name: str, nested: Blueprint, options: dict[str, Any]
) -> dict[str, Any]:
    """The options a nested blueprint is registered with: its own, inside those of `state`."""
    merged = dict(options, name_prefix=name)
    prefix = options.get("url_prefix")
    merged["url_prefix"] = _join_prefixes(
        state.url_prefix, nested.url_prefix if prefix is None else prefix
    )
    subdomain = options.get("subdomain")
    if subdomain is None:
        subdomain = nested.subdomain
    parts: Iterable[str | None] = (subdomain, state.subdomain)
    joined = ".".join(part for part in parts if part is not None)
    merged["subdomain"] = joined or None
    return merged
