"""Settings for people's eyes: name, value with secrets hidden, and where it came from."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from .loading import EXTENSION, Loaded
from .model import Origin, Secret
from .sources import Found, read_dotenv

HIDDEN = "(hidden)"
# A setting of such a name is not shown, whatever its type: not everybody writes Secret.
_telling = re.compile(r"secret|password|passwd|token|api_?key|private|credential", re.I).search


class Shown(msgspec.Struct, frozen=True):
    """One setting: its name in the environment, its value as text, its origin."""

    group: str
    name: str
    value: str
    origin: str


def shown(app: Any) -> list[Shown]:
    """Every setting in effect: those loaded for `app` by class, variables, `app.config`'s keys.

    Variables are those of the environment, or of `.env`, that hipflask or Flask may read. What
    differs in `app.config` from the defaults is said to be set by the app.
    """
    rows = []
    for group, loaded in app.extensions.get(EXTENSION, {}).items():
        rows += _of_class(group, loaded)
    rows += _of_environment()
    from ..config import default_config

    # DEBUG is None until the application has asked the environment.
    defaults = {**default_config(), "DEBUG": False}
    for key, value in sorted(app.config.items()):
        is_default = key in defaults and defaults[key] == value
        origin = "default" if is_default else "app.config"
        rows.append(Shown("app.config", key, text_of(key, value), origin))
    return rows


def _of_class(group: str, loaded: Loaded) -> list[Shown]:
    rows = []
    for path, name in loaded.names.items():
        if name:
            value = loaded.settings
            for step in path:
                value = getattr(value, step)
            origin = loaded.origins.get(path, Origin("default"))
            rows.append(Shown(group, name, text_of(name, value), str(origin)))
    return rows


def _of_environment() -> list[Shown]:
    dotenv = read_dotenv()
    rows = []
    for name, text in sorted(os.environ.items()):
        if name.startswith(("HIPFLASK_", "FLASK_")) and name != "FLASK_RUN_FROM_CLI":
            # The command line has put what stands in `.env` into the environment by now.
            found = None if dotenv is None else dotenv.find(name)
            if found is None or found.value != text:
                found = Found(text, Origin("environment", name), True)
            rows.append(Shown("environment", name, text_of(name, text), str(found.origin)))
    return rows


def text_of(name: str, value: Any) -> str:
    """The value as text; hidden for a Secret, a telling name and the password of a URL."""
    if value is None or value == "":
        return repr(value)
    if isinstance(value, Secret) or _telling(name):
        return HIDDEN
    if isinstance(value, str):
        return repr(_without_password(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        inner = ", ".join(text_of(name, one) for one in value)
        return f"[{inner}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key}: {text_of(str(key), one)}" for key, one in value.items())
        return f"{{{pairs}}}"
    return str(value) if isinstance(value, (bool, int, float)) else repr(value)


def _without_password(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        if parts.password is None:
            return text
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
    except ValueError:
        return HIDDEN
