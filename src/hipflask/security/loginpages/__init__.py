"""A login page that is ready: `add_login(app, check=stored_passwords(find))`.

Made on the server, without a script; nothing is inline and nothing comes from another host. A
form is taken from our own page only (Sec-Fetch-Site, Origin), failures are slowed down, and
where somebody goes next is a path on this site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...blueprints import Blueprint
from ...scaffold import SetupError
from ..oidc import OIDCLogin
from ..sessionlogin import SessionLogin, session_login_of
from ..stances import public
from ..throttle import Throttle
from .pages import LOOK, NAME
from .views import Views


def add_login(
    app: Any,
    check: Callable[[str, str], Any] | None = None,
    *,
    oidc: OIDCLogin | None = None,
    path: str = "/login",
    after: str = "/",
    keep: Iterable[str] = (),
    session: SessionLogin | None = None,
    throttle: Throttle | None = None,
    title: str = "Log in",
    name_label: str = "User name",
) -> SessionLogin:
    """Give the application a login page at `path`, and return the provider behind it.

    `check(name, password)` returns the identity or None, plain or async: `stored_passwords(...)`,
    `hashed_passwords(...)` or a function of yours. `oidc` offers to log in elsewhere, beside it
    or alone. Who has logged in goes to where they were kept from, or to the path `after`; `keep`
    are keys of the session that stay. Logging out is a POST to `path` + "/out", with a field
    `everywhere` for all sessions.

    Unless `app.identities` has a `SessionLogin`, `session` or a new one is added to it, with
    this as its login page. `throttle` is `Throttle()` unless another is given. Raises SetupError
    without any way to log in, for a path that is none, and for a second page.

        add_login(app, check=stored_passwords(find_user, save_hash), after="/orders")
    """
    if check is None and oidc is None:
        raise SetupError(
            "add_login() without check=... and oidc=... has no way to log in. Give"
            " check=stored_passwords(find_user), or OIDCLogin(...)."
        )
    if not path.startswith("/") or path.endswith("/") or "<" in path or "//" in path:
        raise SetupError(f"add_login(path={path!r}): write it like '/login'.")
    if NAME in app.blueprints:
        raise SetupError("This application has a login page already.")
    known = session_login_of(app)
    if known is not None and session is not None and known is not session:
        raise SetupError("app.identities has a SessionLogin already; add_login() uses that one.")
    provider = known or session or SessionLogin()
    if provider.login_url is None:
        provider.login_url = path
    if known is None:
        app.identities = [*app.identities, provider]
    blueprint = Blueprint(NAME, __name__, url_prefix=path)
    blueprint.access = public
    LOOK.add_to(blueprint)
    views = Views(
        check, oidc, Throttle() if throttle is None else throttle, provider, after, tuple(keep),
        title, name_label,
    )  # fmt: skip
    views.register(blueprint)
    csrf = app.extensions.get("csrf")
    if hasattr(csrf, "exempt"):  # Flask-WTF asks for a token; our forms are guarded by origin
        csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
    return provider
