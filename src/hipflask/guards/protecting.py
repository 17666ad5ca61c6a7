"""All guards at once."""

from __future__ import annotations

from typing import Any

from .headers import secure_headers
from .heads import limit_heads
from .inflating import refuse_encoded
from .origins import guard_origins
from .rates import limit_rates


def protect(app: Any, *, origins: str | None = None, https: bool = False) -> None:
    """Put the guards around an application: one line, to be called once, before it serves.

    Forged writes are refused (`guard_origins`), answers tell browsers what is allowed
    (`secure_headers`), heads and compressed bodies have limits (`limit_heads`,
    `refuse_encoded`), and `RATE_LIMIT` holds for each caller (`limit_rates`). Their values are
    those of the configuration at the first request, `RATE_LIMIT` apart, which is read here.
    Called again it does nothing. For an application that was ported, `origins="warn"` logs
    forged writes and lets them in, until the log is quiet. `https=True` says that visitors come
    over HTTPS alone: the session's cookie is sent over nothing else, and its name gets the
    prefix `__Host-` where it has none, so that no sibling host can set it (RFC 6265bis, 4.1.3);
    who is logged in has to log in again.

        app = Flask(__name__)
        protect(app)
    """
    if origins is not None:
        app.config["ORIGIN_GUARD"] = origins
    if https:
        only_https(app)
    secure_headers(app)
    # Each is put before the others: what costs least comes first.
    refuse_encoded(app)
    guard_origins(app)
    limit_rates(app)
    limit_heads(app)


def only_https(app: Any) -> None:
    """Have the session's cookie and made URLs say that the application is had over HTTPS."""
    config = app.config
    config["SESSION_COOKIE_SECURE"] = True
    config["PREFERRED_URL_SCHEME"] = "https"
    name = config["SESSION_COOKIE_NAME"]
    root = config["SESSION_COOKIE_PATH"] or config["APPLICATION_ROOT"]
    if not name.startswith("__"):
        is_own = not config["SESSION_COOKIE_DOMAIN"] and root == "/"
        config["SESSION_COOKIE_NAME"] = f"{'__Host-' if is_own else '__Secure-'}{name}"
