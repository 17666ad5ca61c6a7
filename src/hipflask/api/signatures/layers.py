"""The functions that a view is made of, and whose parameters count.

A view may be a function, a bound method, a `functools.partial`, a callable object or what
`View.as_view` made, each within decorators. Parameters are read from the outside inwards: a
wrapper that takes `**kwargs` and names what it wraps (`functools.wraps`) is looked through,
the first that takes no `**kwargs` ends the search.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from ...scaffold import SetupError
from ...views import MethodView

_ROUTINES = (types.FunctionType, types.BuiltinFunctionType, types.WrapperDescriptorType)
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Layer:
    """One function of a view: a decorator's wrapper, or the innermost one."""

    def __init__(self, call: Any, is_method: bool = False) -> None:
        self.call = call
        self._is_method = is_method

    @functools.cached_property
    def function(self) -> Any:
        """The function with code, globals and annotations behind this layer."""
        call = self.call
        while True:
            if isinstance(call, functools.partial):
                call = call.func
            elif inspect.ismethod(call):
                call = call.__func__
            elif inspect.isclass(call):
                call = call.__init__
            elif _is_plain(call):
                return call
            else:
                call = type(call).__call__

    @functools.cached_property
    def parameters(self) -> list[Parameter]:
        """The parameters that a caller fills: without `self` and those a partial filled."""
        try:
            given = list(inspect.signature(self.call, follow_wrapped=False).parameters.values())
        except (TypeError, ValueError):
            return []
        if self._is_method and given and given[0].kind is not Parameter.VAR_POSITIONAL:
            given = given[1:]
        filled = self.call.keywords if isinstance(self.call, functools.partial) else {}
        return [parameter for parameter in given if parameter.name not in filled]

    def takes_any(self, kind: Any = Parameter.VAR_KEYWORD) -> bool:
        return any(parameter.kind is kind for parameter in self.parameters)

    @property
    def named(self) -> list[Parameter]:
        return [parameter for parameter in self.parameters if parameter.kind in _NAMED]

    @property
    def decorator(self) -> str:
        """The name of the decorator whose wrapper this is, as far as its code tells."""
        code = getattr(self.function, "__code__", None)
        if code is None:
            return type(self.call).__qualname__
        return str(code.co_qualname).partition(".<locals>")[0]

    @property
    def place(self) -> str:
        return place_of(self.function)

    def hint(self, name: str, annotation: Any, owner: Layer | None = None) -> Any:
        """Return an annotation of this layer with its names resolved.

        Raises NameError, with the name, and whatever else evaluating it raises.
        """
        if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
            return annotation
        source = (owner or self).function
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        hints = typing.get_type_hints(
            holder, getattr(source, "__globals__", {}), _local_names(source), include_extras=True
        )
        return hints[name]


def _is_plain(call: Any) -> bool:
    """Return whether a callable leads to no function further in that is to be called for it."""
    if isinstance(call, _ROUTINES) or hasattr(call, "__wrapped__"):
        return True  # the latter is an object of a decorator's, as of functools.lru_cache
    return not inspect.isfunction(getattr(type(call), "__call__", None))  # noqa: B004


def _local_names(function: Any) -> dict[str, Any]:
    """Return what a function's closure and type parameters name."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    found: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # not filled yet
    found.update((each.__name__, each) for each in getattr(function, "__type_params__", ()))
    return found


def is_for_checkers(function: Any, name: str) -> bool:
    """Return whether a function's module names something for type checkers alone.

    That is what stands under `if TYPE_CHECKING:`. True as well where there is no source to ask.
    """
    try:
        module = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    except (AttributeError, KeyError, OSError, TypeError, SyntaxError):
        return True
    return any(
        _named_by(node) == name
        for block in ast.walk(module)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    )


def _named_by(node: ast.AST) -> str:
    """Return the name that an import, a class or an assignment gives; "" for another node."""
    match node:
        case ast.alias():
            return node.asname or node.name.partition(".")[0]
        case ast.ClassDef():
            return node.name
        case ast.Name(ctx=ast.Store()):
            return node.id
    return ""


def place_of(function: Any) -> str:
    """Return file:line of a function, or its module where it has no code."""
    code = getattr(function, "__code__", None)
    if code is None:
        return str(getattr(function, "__module__", None) or "unknown place")
    return f"{code.co_filename}:{code.co_firstlineno}"


def name_of(function: Any) -> str:
    """Return the name of a function for a message."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def layers_of(view: Callable[..., Any], method: str | None = None) -> list[Layer]:
    """Return the layers whose parameters count, the outermost first.

    Raises SetupError for a wrapper that hides an annotated function.
    """
    layers = []
    view_class = getattr(view, "view_class", None)
    layer = Layer(view)
    while True:
        layers.append(layer)
        inner = getattr(layer.call, "__wrapped__", None)
        if layer.takes_any() and inner is not None:
            layer = Layer(inner, layer._is_method)
            continue
        if view_class is not None and layer.takes_any():
            layer = _handler_of(view_class, method)
            view_class = None
            continue
        return layers


def every_layer(view: Callable[..., Any], method: str | None = None) -> list[Layer]:
    """Return all layers down to the innermost function, those that do not count included."""
    layers = layers_of(view, method)
    while (inner := getattr(layers[-1].call, "__wrapped__", None)) is not None:
        layers.append(Layer(inner, layers[-1]._is_method))
    return layers


def _handler_of(view_class: Any, method: str | None) -> Layer:
    """Return the method of a view class that answers an HTTP method."""
    name = "dispatch_request"
    is_by_method = getattr(view_class, name, None) is MethodView.dispatch_request
    if is_by_method:
        wanted = (method or "").lower()
        offered = sorted(each.lower() for each in view_class.methods or ())
        if not wanted:
            wanted = offered[0] if offered else "get"
        if not hasattr(view_class, wanted) and wanted in ("head", "options"):
            wanted = "get" if hasattr(view_class, "get") else offered[0]
        name = wanted
    if not hasattr(view_class, name):
        raise SetupError(
            f"{view_class.__module__}.{view_class.__qualname__} has no method {name}() for"
            f" {method}. Define it, or take {method} out of the rule's methods."
        )
    is_static = isinstance(inspect.getattr_static(view_class, name), staticmethod | classmethod)
    return Layer(getattr(view_class, name), is_method=not is_static)


def hidden_in(layer: Layer) -> Any:
    """Return the one function that a wrapper calls and whose parameters it hides; None if none.

    A wrapper is what takes just `*args, **kwargs` and, without `functools.wraps`, holds one
    function in its closure; or just `*args`, which no view is called with.
    """
    function = layer.function
    if layer.named or not layer.takes_any(Parameter.VAR_POSITIONAL):
        return None
    if hasattr(layer.call, "__wrapped__"):
        return layer.call.__wrapped__
    if not layer.takes_any():
        return None
    held = [each for each in _local_names(function).values() if inspect.isroutine(each)]
    return held[0] if len(held) == 1 else None
