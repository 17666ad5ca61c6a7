"""Where settings come from, one class per place, each asked for a key or listing what it has.

The environment, `.env` and secret files hold texts under names like SHOP_MAIL__PORT; a TOML
file holds values in tables. Later places win: file, `.env`, environment, secret files.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .model import Origin

# A secret that is longer is a mistake: a directory of something else.
MOST_SECRET_BYTES = 64 * 1024

#: Where Docker, Podman and Kubernetes put secrets, unless HIPFLASK_SECRETS says otherwise.
SECRETS = "/run/secrets"


class Found(NamedTuple):
    """A value and where it stood; `is_text` if it still has to be read as its type."""

    value: Any
    origin: Origin
    is_text: bool


class Unreadable(Exception):
    """A place that should be read cannot be; the text says which and why."""


class Names:
    """How a setting is called: `("mail", "port")` is SHOP_MAIL__PORT where the prefix is SHOP."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def of(self, path: tuple[str, ...]) -> str:
        name = "__".join(path).upper()
        return f"{self.prefix}_{name}" if self.prefix else name


class Variables:
    """Texts by name: the environment, or what a `.env` file says."""

    def __init__(self, texts: Mapping[str, str], kind: str, place: str = "") -> None:
        self.texts = texts
        self._kind = kind
        self._place = place

    def find(self, name: str) -> Found | None:
        text = self.texts.get(name)
        if text is None:
            return None
        return Found(text, Origin(self._kind, name, self._place), True)


class SecretFiles:
    """Files with one value each: `/run/secrets/shop_stripe_key`, or where SHOP_STRIPE_KEY_FILE
    points. One line break at the end is no part of the value."""

    def __init__(self, folder: str, variables: Iterable[Variables]) -> None:
        self._folder = Path(folder)
        self._variables = tuple(variables)

    def find(self, name: str) -> Found | None:
        for path in (self._folder / name.lower(), self._folder / name):
            if path.is_file():
                return self._read(path, name)
        for variables in self._variables:
            pointed = variables.texts.get(f"{name}_FILE")
            if pointed:
                return self._read(Path(pointed), f"{name}_FILE")
        return None

    def _read(self, path: Path, name: str) -> Found:
        try:
            with path.open("rb") as file:
                data = file.read(MOST_SECRET_BYTES + 1)
            if len(data) > MOST_SECRET_BYTES:
                raise Unreadable(f"{name}: {path} is longer than {MOST_SECRET_BYTES} bytes")
            text = data.decode()
        except OSError as error:
            raise Unreadable(f"{name}: {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Unreadable(f"{name}: {path} is not UTF-8") from None
        text = text.removesuffix("\n").removesuffix("\r")
        return Found(text, Origin("secret", name, str(path)), True)


class Table:
    """A TOML table, nested like the settings."""

    def __init__(self, values: Mapping[str, Any], place: str, where: str = "") -> None:
        self.values = values
        self.place = place
        self.where = where

    def find(self, path: tuple[str, ...]) -> Found | None:
        at: Any = self.values
        for step in path:
            if not isinstance(at, Mapping) or step not in at:
                return None
            at = at[step]
        return Found(at, self.origin(path), False)

    def origin(self, path: tuple[str, ...]) -> Origin:
        steps = (self.where, *path) if self.where else path
        return Origin("file", ".".join(steps), self.place)


def read_table(file: str | os.PathLike[str] | None, table: str) -> Table | None:
    """The settings of a TOML file; without one, `[tool.<table>]` of the nearest pyproject.toml."""
    if file is not None:
        path = Path(file)
        return Table(_read_toml(path), str(path))
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            tools = _read_toml(path).get("tool", {})
            found = tools.get(table) if isinstance(tools, dict) else None
            if isinstance(found, dict):
                return Table(found, str(path), f"tool.{table}")
            return None
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is not TOML: {error}") from None


def read_dotenv() -> Variables | None:
    """The nearest `.env`, if python-dotenv is installed and FLASK_SKIP_DOTENV does not say no."""
    from ..helpers import get_load_dotenv

    if not get_load_dotenv():
        return None
    try:
        import dotenv  # optional
    except ImportError:
        return None
    path = dotenv.find_dotenv(".env", usecwd=True)
    if not path:
        return None
    values = dotenv.dotenv_values(path, encoding="utf-8")
    texts = {name: text for name, text in values.items() if text is not None}
    return Variables(texts, ".env", path)
