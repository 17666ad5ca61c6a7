"""Whether a view is Flask's own kind of view, told without loading what typed views need.

Most views are: no annotations, or only those that say what Flask gives and takes anyway. The
rest is looked at closely by `api.binding`, so what is doubtful counts as not plain here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from .scaffold import declared_access

# What converters give, by their class; a variable annotated so is left as it is.
_GIVEN = {
    "UnicodeConverter": "str",
    "PathConverter": "str",
    "AnyConverter": "str",
    "IntegerConverter": "int",
    "FloatConverter": "float",
    "UUIDConverter": "UUID",
}
# Words that a return annotation may be made of and keep Flask's meaning.
_ANSWERS = frozenset(
    (
        "Any", "AsyncGenerator", "AsyncIterable", "AsyncIterator", "Callable", "Dict", "Generator",
        "Iterable", "Iterator", "List", "Mapping", "NoReturn", "None", "NoneType", "Optional",
        "Response", "ResponseReturnValue", "ResponseValue", "Tuple", "Union", "WSGIApplication",
        "bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple",
    )
)  # fmt: skip
_NAME = r"[A-Za-z_][\w.]*"
_MODULES = ("builtins", "typing", "collections.abc", "types")
_LEFT_ALONE = frozenset(("Any", "object"))


def is_plain(view: Callable[..., Any], rule: Rule) -> bool:
    """Whether nothing is to be read or written for the view that Flask would not."""
    return not any(
        _is_typed(function) or _says_more(function, rule) for function in functions_of(view)
    )


def functions_of(view: Any) -> Iterator[Any]:
    """The functions whose annotations count: the view, what it wraps, a view class's methods."""
    seen = 0
    while view is not None and seen < 100:
        seen += 1
        view_class = getattr(view, "view_class", None)
        if isinstance(view_class, type):
            for name in ("dispatch_request", *map(str.lower, view_class_methods(view_class))):
                method = getattr(view_class, name, None)
                if method is not None:
                    yield from functions_of(method)
        yield getattr(view, "func", view)  # a partial's annotations are its function's
        view = getattr(view, "__wrapped__", None)


def view_class_methods(view_class: Any) -> Iterator[str]:
    """The HTTP methods that a view class may have a method of its own for."""
    for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"):
        if hasattr(view_class, name.lower()):
            yield name


def converted_names(rule: Rule) -> dict[str, str | None]:
    """The rule's variables with the name of the type their converters give; None if unknown."""
    converters = getattr(rule, "_converters", {})
    return {
        name: _GIVEN.get(type(converters[name]).__name__) if name in converters else None
        for name in rule.arguments
    }


def converted_types(rule: Rule) -> dict[str, Any]:
    """The rule's variables with the types their converters give; None where that is unknown."""
    found: dict[str, Any] = {}
    for name, word in converted_names(rule).items():
        if word == "UUID":
            from uuid import UUID  # who has such a rule

            found[name] = UUID
        else:
            found[name] = None if word is None else {"str": str, "int": int, "float": float}[word]
    return found


def _is_typed(value: Any) -> bool:
    """Whether its class says by `__typed__` that only `hipflask.api` knows what to do with it."""
    return getattr(type(value), "__typed__", False) is True


def _says_more(function: Any, rule: Rule) -> bool:
    try:
        annotations = getattr(function, "__annotations__", None)
    except Exception:  # Python 3.14 evaluates them now, and names may be a type checker's only
        return True
    if not annotations or hasattr(function, "__operation__"):
        return hasattr(function, "__operation__") or _has_marks(function)
    given = converted_names(rule)
    for name, annotation in annotations.items():
        word = _word(annotation)
        if name == "return":
            if not _is_answer(annotation, function):
                return True
        elif word not in _LEFT_ALONE and (word is None or given.get(name) != word):
            return True
    return _has_marks(function)


def _is_answer(annotation: Any, function: Any) -> bool:
    """Whether a return annotation says no more than Flask's own views may."""
    if inspect.isclass(annotation) and not hasattr(annotation, "__origin__"):
        return annotation.__name__ in _ANSWERS and _is_foreign(annotation)
    text = annotation if isinstance(annotation, str) else str(annotation)
    scope = getattr(function, "__globals__", {})
    return all(_is_answer_name(name.rpartition(".")[2], scope) for name in re.findall(_NAME, text))


def _is_answer_name(name: str, scope: Mapping[str, Any]) -> bool:
    cls = scope.get(name)
    if inspect.isclass(cls) and issubclass(cls, Response):
        return True  # under whichever name: `from werkzeug import Response as WerkzeugResponse`
    return name in _ANSWERS and _is_foreign(cls)


def _is_foreign(cls: Any) -> bool:
    """Whether it is not a class of the user's own that has the name of one of Flask's."""
    return not inspect.isclass(cls) or issubclass(cls, Response) or cls.__module__ in _MODULES


def _has_marks(function: Any) -> bool:
    """Whether a default value is a mark of `hipflask.api`, such as `Provide(...)`."""
    defaults = (
        *(getattr(function, "__defaults__", None) or ()),
        *(getattr(function, "__kwdefaults__", None) or {}).values(),
    )
    return any(map(_is_typed, defaults))


def _word(annotation: Any) -> str | None:
    """The last part of the annotation's name; None for one with parameters."""
    if annotation is None:
        return "None"
    if isinstance(annotation, str):
        text = annotation.strip("\"' ")
        return text.rpartition(".")[2] if text.replace(".", "").isidentifier() else None
    if inspect.isclass(annotation) and not hasattr(annotation, "__origin__"):
        return annotation.__name__
    return "Any" if annotation is Any else None


def has_stance(app: Any, rule: Rule, endpoint: Any) -> bool:
    """Whether the route, a view class, a blueprint or the application says who may call it."""
    return any(True for _ in declared_access(app, rule, endpoint))
