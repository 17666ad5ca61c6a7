"""Where an application lives: its folder, its instance folder, the files beside it."""

from __future__ import annotations

import os
import sys
import typing as t
from importlib import import_module

if t.TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def _find_spec(module_name: str) -> ModuleSpec | None:
    """Return a module's spec, None where there is none; never imports the module itself."""
    from importlib.util import find_spec  # deferred: once per application

    try:
        return find_spec(module_name)
    except (ImportError, ValueError):
        return None


def _is_within(place: str, folder: str) -> bool:
    """Whether a path is `folder` or lies below it. (Importing pathlib to ask takes 2 ms.)"""
    place, folder = os.path.normcase(place), os.path.normcase(folder)
    return place == folder or place.startswith(os.path.join(folder, ""))


def get_root_path(import_name: str) -> str:
    """Return the folder of a module or package, the current folder if it cannot be told.

    A module that is not imported yet is only looked up. Raises RuntimeError for a module
    that exists but has no file, such as an imported namespace package.
    """
    module = sys.modules.get(import_name)
    path: str | None = getattr(module, "__file__", None)
    if path is None:
        spec = _find_spec(import_name)
        loader = spec.loader if spec is not None else None
        if loader is None:
            return os.getcwd()
        if hasattr(loader, "get_filename"):
            path = loader.get_filename(import_name)
        else:
            path = getattr(import_module(import_name), "__file__", None)
    if path is None:
        raise RuntimeError(
            f"The folder of module {import_name!r} is unknown: it has no file, as happens for"
            " namespace packages, built-in modules and some import hooks. Pass 'root_path'."
        )
    return os.path.dirname(os.path.abspath(path))


def _find_package_path(import_name: str) -> str:
    """Return the folder that holds the top-level package or module of `import_name`."""
    top = _find_spec(import_name.partition(".")[0])
    if top is None:
        return os.getcwd()
    portions = top.submodule_search_locations
    if top.origin is not None and top.origin != "namespace":
        folder = os.path.dirname(top.origin)
        return folder if portions is None else os.path.dirname(folder)
    if not portions:
        return os.getcwd()
    # A namespace package may be spread over several folders: take the one that has the
    # subpackage asked for, else the first.
    places = list(portions)
    inner = _find_spec(import_name)
    if inner is not None and inner.submodule_search_locations:
        home = next(iter(inner.submodule_search_locations))
        places = [place for place in places if _is_within(home, place)] or places
    return os.path.dirname(places[0])


def find_package(import_name: str) -> tuple[str | None, str]:
    """Return the prefix a package is installed under, and the folder it was found in.

    The prefix is None for a package that is not installed but used where it stands. Zip
    archives and the `site-packages` folders of Unix, Windows and the user count.
    """
    place = os.path.abspath(_find_package_path(import_name))
    if _is_within(place, os.path.abspath(sys.prefix)):
        return sys.prefix, place
    parent, name = os.path.split(place)
    if name.lower() != "site-packages":
        return None, place
    # PREFIX/Lib/site-packages on Windows, PREFIX/lib/pythonX.Y/site-packages elsewhere.
    for folder in (parent, os.path.dirname(parent)):
        if os.path.basename(folder).lower() == "lib":
            return os.path.dirname(folder), place
    return parent, place


def find_instance_path(import_name: str, name: str | None = None) -> str:
    """Return the instance folder of an application that names none.

    Beside the package, or, for an installed one, below `var` of its prefix under the
    application's name (the import name if not given).
    """
    prefix, place = find_package(import_name)
    if prefix is None:
        return os.path.join(place, "instance")
    return os.path.join(prefix, "var", f"{name or import_name}-instance")


def open_resource(
    root: str, resource: str, mode: str = "rb", encoding: str | None = None
) -> t.IO[t.Any]:
    """Open a file below `root` for reading; `encoding` is for the text modes."""
    if mode not in ("rb", "r", "rt"):
        raise ValueError(
            f"Resource {resource!r} cannot be opened with mode {mode!r}: resources are only"
            " for reading, 'rb' or 'rt'. What the application writes goes into its instance"
            " folder, see 'open_instance_resource'."
        )
    return open_instance_resource(root, resource, mode, encoding)


def open_instance_resource(
    root: str, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
) -> t.IO[t.Any]:
    """Open a file below `root`, also for writing; `encoding` is for the text modes."""
    return open(os.path.join(root, resource), mode, encoding=None if "b" in mode else encoding)
