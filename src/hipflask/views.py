"""Views as classes: `View` for one method of dispatch, `MethodView` for one per HTTP method."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection

from . import typing as ft
from .globals import current_app, request

F = t.TypeVar("F", bound=Callable[..., t.Any])

http_method_funcs = frozenset({"delete", "get", "head", "options", "patch", "post", "put", "trace"})


class View:
    """A view whose answer comes from `dispatch_request`; `as_view` makes it registrable.

    The URL's variables arrive as keyword arguments:

        class Invoice(View):
            def dispatch_request(self, number):
                return f"Invoice {number}"

        app.add_url_rule("/invoices/<int:number>", view_func=Invoice.as_view("invoice"))
    """

    methods: t.ClassVar[Collection[str] | None] = None
    """The HTTP methods of the rule; None leaves the choice to `add_url_rule`."""

    provide_automatic_options: t.ClassVar[bool | None] = None
    """Whether OPTIONS is answered for this view; None leaves it to `add_url_rule`."""

    decorators: t.ClassVar[list[Callable[[F], F]]] = []
    """Applied to the function that `as_view` returns, the first one first (innermost)."""

    init_every_request: t.ClassVar[bool] = True
    """Make an instance per request. If false, one serves all: keep request data in `g`."""

    def dispatch_request(self) -> ft.ResponseReturnValue:
        """Return the answer to the current request; takes the URL's variables by keyword."""
        raise NotImplementedError

    @classmethod
    def as_view(cls, name: str, *class_args: t.Any, **class_kwargs: t.Any) -> ft.RouteCallable:
        """Return a view function named `name`, which is also its default endpoint.

        The further arguments are passed to the class whenever it is instantiated. The
        function's `view_class` may be replaced while instances are made per request.
        """
        if cls.init_every_request:

            def view(**kwargs: t.Any) -> ft.ResponseReturnValue:
                fresh = outermost.view_class(*class_args, **class_kwargs)
                return _call(fresh.dispatch_request, kwargs)

        else:
            shared = cls(*class_args, **class_kwargs)

            def view(**kwargs: t.Any) -> ft.ResponseReturnValue:
                return _call(shared.dispatch_request, kwargs)

        # Decorators may read the name and the module; what the rule needs goes on the result,
        # and that is where a replaced `view_class` is found.
        view.__name__ = name
        view.__module__ = cls.__module__
        outermost: t.Any = view
        for decorate in cls.decorators:
            outermost = decorate(outermost)
        for attribute, value in (
            ("view_class", cls),
            ("__name__", name),
            ("__doc__", cls.__doc__),
            ("__module__", cls.__module__),
            ("methods", cls.methods),
            ("provide_automatic_options", cls.provide_automatic_options),
        ):
            setattr(outermost, attribute, value)
        return t.cast(ft.RouteCallable, outermost)


def _call(handler: Callable[..., t.Any], kwargs: dict[str, t.Any]) -> ft.ResponseReturnValue:
    return t.cast(ft.ResponseReturnValue, current_app.ensure_sync(handler)(**kwargs))


class MethodView(View):
    """A view with one method per HTTP method: `get`, `post` and so on.

    `methods` is filled with those defined here and in base classes, unless the class sets
    it. A HEAD request goes to `get` if there is no `head`.
    """

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if "methods" in vars(cls):
            return
        offered = {name.upper() for name in http_method_funcs if hasattr(cls, name)}
        for base in cls.__bases__:
            offered.update(getattr(base, "methods", None) or ())
        if offered:
            cls.methods = offered

    def dispatch_request(self, **kwargs: t.Any) -> ft.ResponseReturnValue:
        """Return the answer of the method named after the request's, in lower case.

        Raises `AssertionError` if the rule lets a method through that the class lacks.
        """
        wanted = request.method.lower()
        handler = getattr(self, wanted, None)
        if handler is None and wanted == "head":
            handler = getattr(self, "get", None)
        if handler is None:
            raise AssertionError(
                f"Unimplemented method {request.method!r}: {type(self).__qualname__} has no"
                f" {wanted}(). Define it, or take it out of the rule's methods."
            )
        return _call(handler, kwargs)
