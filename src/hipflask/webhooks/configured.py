"""Settings that a source names: in the application's configuration, or in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..scaffold import SetupError

Names = str | Iterable[str]

_is_name = re.compile(r"[A-Z_][A-Z0-9_]*\Z").match
#: More are a mistake: each costs a computation for each delivery that nobody signed.
MOST_SECRETS = 10


def check_names(names: Names, where: str) -> tuple[str, ...]:
    """The names of settings in a tuple; SetupError, without showing it, for what is no name."""
    found: tuple[Any, ...] = (names,) if isinstance(names, str) else tuple(names)
    for number, name in enumerate(found, start=1):
        if not isinstance(name, str) or _is_name(name) is None:
            raise SetupError(
                f"{where}: secrets= takes names of settings, in capitals, and number {number} is"
                " no such name. Put the secret itself into the configuration or the environment,"
                " under a name like STRIPE_WHSEC, and give that name here."
            )
    return found


def read_secrets(config: Mapping[str, Any], names: tuple[str, ...], where: str) -> list[Any]:
    """The secrets that stand under the names, in order; SetupError where one is missing.

    A setting holds a secret, several with commas between them, or a list of them. A secret
    that has a comma in it is given in a list.
    """
    found: list[Any] = []
    for name in names:
        value = _value(config, name, where)
        if isinstance(value, str):
            parts: list[Any] = [part.strip() for part in value.split(",")]
        else:
            parts = list(value) if isinstance(value, (list, tuple)) else [value]
        for part in parts:
            if not isinstance(part, (str, bytes)):
                raise SetupError(
                    f"{where}: the setting {name} holds a {type(part).__name__}; a secret is text"
                    " or bytes, several are a list of these."
                )
        found += [part for part in parts if part]
    if names and not found:
        raise SetupError(f"{where}: the setting {' and '.join(names)} is empty.")
    if len(found) > MOST_SECRETS:
        raise SetupError(
            f"{where} has {len(found)} secrets, and at most {MOST_SECRETS} are tried for a"
            " delivery. Take out those that are used no more."
        )
    return found


def read_text(config: Mapping[str, Any], given: str | None, where: str) -> str | None:
    """A setting's value where `given` is a name, `given` itself where it is not."""
    if given is None or _is_name(given) is None:
        return given
    value = _value(config, given, where)
    if not isinstance(value, str):
        raise SetupError(f"{where}: the setting {given} holds a {type(value).__name__}, not text.")
    return value


def _value(config: Mapping[str, Any], name: str, where: str) -> Any:
    value = config.get(name) or os.environ.get(name)
    if not value:
        raise SetupError(
            f"{where} needs the setting {name}, which is in neither place: not in"
            f" app.config[{name!r}] and not in the environment variable {name}. Set one of them"
            " before the application is served."
        )
    return value
