"""The console: what came, what became of it, and what to do about it, in a browser.

    hooks.console(access=roles("operator"))       # /_hooks

Off until it is asked for, with a stance of `hipflask.security`. Its pages are made on the server
and need no script; a script of a few lines keeps an open page fresh. Nothing is inline and
nothing comes from another host.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...blueprints import Blueprint
from ...scaffold import SetupError
from ...security import Stance
from .pages import LOOK, NAME
from .views import Views


def add_console(
    hooks: Any,
    *,
    access: Stance | None = None,
    path: str = "/_hooks",
    now: Callable[[], float] = time.time,
) -> None:
    """Put the console of `hooks` at `path`, for those whom `access` lets in.

    Raises SetupError without a stance, for a path that is none, and for a second console.
    """
    app = hooks.app
    if app is None:
        raise SetupError("The console needs an application: call init_app(app) of the hooks first.")
    if not isinstance(access, Stance):
        raise SetupError(
            f"hooks.console(access={access!r}): say who may see what strangers sent, and replay"
            " it: access=roles('operator'), with roles from hipflask.security."
        )
    if not path.startswith("/") or path.endswith("/") or "<" in path:
        raise SetupError(f"hooks.console(path={path!r}): write it like '/_hooks'.")
    if NAME in app.blueprints:
        raise SetupError("These hooks have a console already.")
    blueprint = Blueprint(NAME, __name__, url_prefix=path)
    blueprint.access = access
    LOOK.add_to(blueprint)
    Views(hooks, now).register(blueprint)
    csrf = app.extensions.get("csrf")
    if hasattr(csrf, "exempt"):  # Flask-WTF asks for a token; our forms are guarded by origin
        csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
