"""Find the app that `--app`, FLASK_APP or a file in the current directory names.

From text to app in four steps: `prepare_import` turns a path into a module name and puts
its folder on `sys.path`; `locate_app` imports it; `find_app_by_string` or `find_best_app`
picks the app or the factory. Whatever goes wrong on our side of the line (no such module,
no such name, arguments that do not fit) is a `NoAppException`; an error that the user's own
code raises passes through, because its traceback is what he needs.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
import typing as t
from pathlib import Path
from types import ModuleType

import click

from hipflask.app import Flask

INSTANCE_NAMES = ("app", "application")
FACTORY_NAMES = ("create_app", "make_app")
_CLI_FOLDER = str(Path(__file__).parent)


class NoAppException(click.UsageError):
    """Raised when no app can be found or made from what was given; exit code 2."""


class _Reference(t.NamedTuple):
    """What follows the colon in `module:reference`, taken apart."""

    name: str
    args: tuple[t.Any, ...]
    kwargs: dict[str, t.Any]


def find_best_app(module: ModuleType) -> Flask:
    """Return the app of a module for which no name was given.

    Tried in this order: an app called `app` or `application`, the only app under any
    other name, what a factory `create_app` or `make_app` returns when called without
    arguments. Raises `NoAppException` when nothing fits or several apps do.
    """
    for name in INSTANCE_NAMES:
        found = getattr(module, name, None)
        if isinstance(found, Flask):
            return found
    names = [name for name, value in vars(module).items() if isinstance(value, Flask)]
    if len(names) > 1:
        raise NoAppException(
            f"Module {module.__name__!r} holds several apps ({', '.join(names)}), so it is"
            f" not clear which one to use. Choose with '{module.__name__}:{names[0]}'."
        )
    if names:
        return t.cast(Flask, getattr(module, names[0]))
    for name in FACTORY_NAMES:
        factory = getattr(module, name, None)
        if callable(factory):
            made = _call_factory(module, _Reference(name, (), {}), factory)
            if isinstance(made, Flask):
                return made
    raise NoAppException(
        f"Module {module.__name__!r} holds no app ({' or '.join(INSTANCE_NAMES)}) and no"
        f" factory that returns one ({' or '.join(FACTORY_NAMES)}). If it goes by another"
        f" name, say which: '{module.__name__}:NAME'."
    )


def find_app_by_string(module: ModuleType, app_name: str) -> Flask:
    """Return the app that `app_name` means in `module`.

    `app_name` is an attribute, or a factory with literal arguments in parentheses such as
    `create_app("dev", debug=True)`; a factory without parentheses is called without
    arguments. Raises `NoAppException` for anything else, and if no app comes out.
    """
    wanted = _parse_reference(app_name)
    try:
        found = getattr(module, wanted.name)
    except AttributeError:
        raise NoAppException(
            f"Module {module.__name__!r} has no attribute {wanted.name!r}."
        ) from None
    if not isinstance(found, Flask) and callable(found):
        found = _call_factory(module, wanted, found)
    if isinstance(found, Flask):
        return found
    raise NoAppException(
        f"'{module.__name__}:{app_name}' is {_with_article(type(found).__name__)}, not an app."
    )


def prepare_import(path: str) -> str:
    """Return the dotted module name for a file path, and make it importable.

    The folder that holds the outermost package is put first on `sys.path`; for a name that
    is dotted already, this is the current directory. A trailing `.py` or `__init__.py` may
    be given or left out.
    """
    target = Path(path).resolve()
    if target.suffix == ".py":
        target = target.with_suffix("")
    if target.name == "__init__":
        target = target.parent
    parts = [target.name]
    folder = target.parent
    while (folder / "__init__.py").exists() and folder.name:
        parts.append(folder.name)
        folder = folder.parent
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    return ".".join(reversed(parts))


@t.overload
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: t.Literal[True] = True
) -> Flask: ...
@t.overload
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: t.Literal[False]
) -> Flask | None: ...
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: bool = True
) -> Flask | None:
    """Import a module and return its app: the one named, otherwise the likeliest.

    With `raise_if_not_found=False`, a module that does not exist gives None. A module that
    exists and fails with an ImportError is a `NoAppException` either way, with the
    traceback in its text.
    """
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if not _is_missing(module_name, error):
            raise NoAppException(
                f"Module {module_name!r} exists but cannot be imported, because of an"
                f" ImportError inside it:\n\n{explain_failure(error)}"
            ) from None
        if raise_if_not_found:
            raise no_such_module(module_name) from None
        return None
    return find_best_app(module) if app_name is None else find_app_by_string(module, app_name)


def module_exists(module_name: str) -> bool:
    """Return whether there is such a module; of what it is in, the packages are imported.

    A package that fails to be imported counts: it exists, and a real import tells the rest.
    """
    try:
        return importlib.util.find_spec(module_name) is not None
    except ModuleNotFoundError as error:
        return not _is_missing(module_name, error)
    except Exception:
        return True


def no_such_module(module_name: str) -> NoAppException:
    """Return the error for an app whose module does not exist."""
    return NoAppException(
        f"There is no module {module_name!r}: neither a file or package in {sys.path[0]} nor an"
        " installed one. Check the spelling, and the directory you are in."
    )


def explain_failure(error: BaseException, *, whole: bool = True) -> str:
    """Return the traceback of `error` from the user's first line on, as text.

    With `whole=False`: only the place where it was raised and the error itself, two lines.
    """
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if whole:
        return "".join(traceback.format_exception(type(error), error, trace))
    lines = traceback.format_exception_only(type(error), error)
    if frames := traceback.extract_tb(trace):
        place = frames[-1]
        lines.insert(0, f'  File "{place.filename}", line {place.lineno}, in {place.name}\n')
    return "".join(lines)


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _CLI_FOLDER, str(importlib.__file__)))


def _is_missing(module_name: str, error: ImportError) -> bool:
    """True if it is this module, or a package around it, that does not exist."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return False
    return f"{module_name}.".startswith(f"{error.name}.")


def _parse_reference(text: str) -> _Reference:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        node = None
    match node:
        case ast.Name(id=name):
            return _Reference(name, (), {})
        case ast.Call(func=ast.Name(id=name), args=values, keywords=pairs):
            try:
                positional = tuple(ast.literal_eval(value) for value in values)
                named = {str(pair.arg): ast.literal_eval(pair.value) for pair in pairs if pair.arg}
            except ValueError:
                named = None
            if named is not None and len(named) == len(pairs):
                return _Reference(name, positional, named)
            raise NoAppException(
                f"The arguments in {text!r} must be literal values: strings in quotes,"
                " numbers, True, False, None, or lists, tuples and dicts of these."
            )
        case _:
            raise NoAppException(
                f"{text!r} is neither a name nor a call of a name, such as 'app' or"
                " 'create_app(\"dev\")'."
            )


def _call_factory(module: ModuleType, wanted: _Reference, factory: t.Callable[..., t.Any]) -> t.Any:
    try:
        return factory(*wanted.args, **wanted.kwargs)
    except TypeError as error:
        # A traceback that ends in this very frame: the arguments were refused, and not one
        # line of the factory ran. A TypeError from inside the factory is the user's to see.
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        raise NoAppException(
            f"Factory '{module.__name__}:{wanted.name}' was called with arguments that it"
            f" does not take: {error}. Give them in parentheses, as in"
            f" '{module.__name__}:{wanted.name}(\"dev\")'."
        ) from error


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
