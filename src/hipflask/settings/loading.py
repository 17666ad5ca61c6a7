"""Fills a class of settings, each field from the place that wins; tells all that is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self

import msgspec
from msgspec.structs import FieldInfo

from .model import Origin, SettingsError
from .reading import WrongValue, is_secret, read_value
from .sources import (
    SECRETS,
    Found,
    Names,
    SecretFiles,
    Table,
    Unreadable,
    Variables,
    read_dotenv,
    read_table,
)

#: Where an application keeps what was loaded for it, by class.
EXTENSION = "hipflask.settings"


class Loaded(msgspec.Struct, frozen=True):
    """Settings as they were loaded: the values, and where each came from."""

    settings: Any
    origins: dict[tuple[str, ...], Origin]
    names: dict[tuple[str, ...], str]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The base of a class of settings; a field that is Settings itself is a table of its own.

    Fields are read once, by `load`, and cannot be changed afterwards. `Meta` of msgspec sets
    bounds, as in typed views. A field without a default must be set somewhere.

        class Mail(Settings):
            host: str = "localhost"
            port: int = 25

        class Shop(Settings):
            database_url: str
            mail: Mail = Mail()

        settings = Shop.load(app)          # SHOP_DATABASE_URL, SHOP_MAIL__PORT
    """

    @classmethod
    def load(
        cls,
        app: Any = None,
        *,
        prefix: str | None = None,
        file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """The settings from, in this order, the later winning: the defaults of the class,
        `[tool.<prefix>]` of the nearest pyproject.toml (or `file`, TOML, whole), the nearest
        `.env`, the environment, and files: `/run/secrets/<name>` (another folder:
        HIPFLASK_SECRETS) or where `<NAME>_FILE` points.

        `prefix` is the class's name in capitals if not given; "" for none. With `app` they are
        also in `app.extensions`, and `hipflask settings` shows them. Raises SettingsError with
        every key that is missing or wrong.
        """
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", cls.__name__)
        chosen = "_".join(words).upper() if prefix is None else prefix.rstrip("_").upper()
        try:
            loader = _Loader(chosen, file, os.environ if environ is None else environ)
        except Unreadable as error:
            raise SettingsError(cls.__name__, [str(error)]) from None
        made = loader.load(cls)
        if loader.flaws:
            raise SettingsError(cls.__name__, loader.flaws)
        if app is not None:
            loaded = Loaded(made, loader.origins, loader.known)
            app.extensions.setdefault(EXTENSION, {})[cls.__name__] = loaded
        settings: Self = made
        return settings


class _Loader:
    def __init__(
        self, prefix: str, file: str | os.PathLike[str] | None, environ: Mapping[str, str]
    ) -> None:
        self._names = Names(prefix)
        self._table: Table | None = read_table(file, prefix.lower() or "settings")
        dotenv = read_dotenv()
        if dotenv is not None:
            # The command line has put these into the environment by now: said where they stand.
            environ = {k: v for k, v in environ.items() if dotenv.texts.get(k) != v}
        self._environment = Variables(environ, "environment")
        self._dotenv = dotenv
        places = [self._environment, *([dotenv] if dotenv else [])]
        folder = environ.get("HIPFLASK_SECRETS") or SECRETS
        self._secrets = SecretFiles(folder, places)
        self.flaws: list[str] = []
        self.origins: dict[tuple[str, ...], Origin] = {}
        self.known: dict[tuple[str, ...], str] = {}

    def load(self, cls: type[Settings]) -> Any:
        """The settings; what is wrong is in `flaws`, and then the result means nothing."""
        made = self._fill(cls, ())
        if self._table is not None:
            self._find_strangers(self._table.values, ())
        return made

    def _fill(self, cls: type[Settings], path: tuple[str, ...]) -> Any:
        values = {}
        for field in msgspec.structs.fields(cls):
            here = (*path, field.encode_name)
            if isinstance(field.type, type) and issubclass(field.type, Settings):
                self.known[here] = ""
                values[field.name] = self._fill(field.type, here)
                continue
            self.known[here] = self._names.of(here)
            try:
                self._fill_one(field, here, values)
            except (WrongValue, Unreadable) as error:
                self.flaws.append(str(error))
        if self.flaws:
            return None
        try:
            return cls(**values)
        except (ValueError, TypeError) as error:  # its own __post_init__
            self.flaws.append(f"{cls.__name__}: {error}")
            return None

    def _fill_one(self, field: FieldInfo, path: tuple[str, ...], values: dict[str, Any]) -> None:
        name = self.known[path]
        found = self._find(name, path)
        if found is None:
            self.origins[path] = Origin("default")
            if field.required:
                self.flaws.append(self._missing(name, path))
            return
        self.origins[path] = found.origin
        try:
            values[field.name] = read_value(found.value, field.type, found.is_text)
        except WrongValue as error:
            said = "a text" if is_secret(field.type) else error
            raise WrongValue(f"{name}: {found.origin}: expected {said}") from None

    def _find(self, name: str, path: tuple[str, ...]) -> Found | None:
        found = self._secrets.find(name) or self._environment.find(name)
        if found is None and self._dotenv is not None:
            found = self._dotenv.find(name)
        if found is None and self._table is not None:
            found = self._table.find(path)
        return found

    def _missing(self, name: str, path: tuple[str, ...]) -> str:
        text = f"{name}: missing. Set it in the environment or in .env, as"
        text += f" {'.'.join(path)} in TOML, or in a file {SECRETS}/{name.lower()}"
        held = [*self._environment.texts, *(self._dotenv.texts if self._dotenv else ())]
        near = get_close_matches(name, set(held) - set(self.known.values()), n=1, cutoff=0.85)
        return f"{text}; {near[0]} is set: did you mean that?" if near else text

    def _find_strangers(self, table: Mapping[str, Any], path: tuple[str, ...]) -> None:
        """Keys of the file that are no settings: a typo there would go unnoticed."""
        assert self._table is not None
        here = {known[len(path)] for known in self.known if known[: len(path)] == path != known}
        for key, value in table.items():
            inner = (*path, key)
            if inner not in self.known:
                near = get_close_matches(key, here, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self.flaws.append(f"{self._table.origin(inner)}: there is no such setting{hint}")
            elif isinstance(value, Mapping) and self.known[inner] == "":
                self._find_strangers(value, inner)
