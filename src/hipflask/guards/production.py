"""What `hipflask serve` refuses to start with: settings that work, and must not.

Each finding says what is wrong, and the cure. Nothing is refused for what is only missing: a
secret is asked for by who uses a session.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..scaffold import SetupError
from .sites import checked_origins

#: Bytes of a secret at least, and different ones among them.
LEAST_SECRET_BYTES = 32
LEAST_DIFFERENT = 8
_CURE = "python -c 'import secrets; print(secrets.token_hex(32))' makes one"
# Keys of documentations, and what people write until they know better.
_KNOWN = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "_5#y2l",
    "changeme", "change-me", "change me", "change_me", "changethis", "change-this", "change this",
    "django-insecure", "dev-secret", "dev_secret", "development", "do-not-use", "example",
    "insecure", "my-secret", "my_secret", "not-a-secret", "password", "placeholder",
    "replace-me", "replace me", "secret-key", "secret_key", "secretkey", "supersecret",
    "super-secret", "super secret", "test-key", "test_key", "topsecret", "your-secret",
    "your_secret", "you-will-never-guess",
)  # fmt: skip
_host = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.?|\[[0-9A-Fa-f:.]+\]").fullmatch


def refusals(app: Any, interface: str = "rsgi") -> list[str]:
    """What the application must not be served with, each with its cure; empty where all is well.

    `interface` is what Granian serves it by: "rsgi", "asgi" or "wsgi". Also for an application of
    another framework, of which nothing is known.
    """
    config = getattr(app, "config", None)
    if not isinstance(config, dict) or "SECRET_KEY" not in config:
        return []
    found = [text for find in _FINDERS for text in find(config)]
    return [*found, *_spellings(app)] if interface == "wsgi" else found


def advice(app: Any) -> list[str]:
    """What would be better otherwise, but is no fault; for `serve --check`."""
    config = getattr(app, "config", None)
    if not isinstance(config, dict) or "SECRET_KEY" not in config:
        return []
    found = []
    if config.get("TRUSTED_HOSTS") is None:
        found.append("TRUSTED_HOSTS is not set: any Host is answered, and stands in URLs")
    if "hipflask.guards" not in getattr(app, "extensions", {}):
        found.append("no guards: from hipflask.guards import protect; protect(app)")
    if config.get("SECRET_KEY") and not config.get("SESSION_COOKIE_SECURE"):
        found.append("SESSION_COOKIE_SECURE is False: protect(app, https=True) sets it")
    if not config.get("SESSION_COOKIE_HTTPONLY"):
        found.append("SESSION_COOKIE_HTTPONLY is False: scripts can read the session's cookie")
    if config.get("MAX_CONTENT_LENGTH") is None:
        found.append("MAX_CONTENT_LENGTH is not set: a body may be as large as it likes")
    if "'unsafe-inline'" in str(config.get("CONTENT_SECURITY_POLICY")):
        found.append("CONTENT_SECURITY_POLICY has 'unsafe-inline': use csp_nonce()")
    return found


def weakness(key: Any) -> str | None:
    """Why a key is no secret, None for one that may be."""
    if not isinstance(key, (str, bytes)):
        return f"is a {type(key).__name__}, and is to be text or bytes"
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    if len(data) < LEAST_SECRET_BYTES:
        return f"has {len(data)} bytes, and {LEAST_SECRET_BYTES} are the least"
    if len(set(data)) < LEAST_DIFFERENT:
        return f"has {len(set(data))} different bytes, which is a pattern and no secret"
    for size in range(1, len(data) // 2 + 1):
        if (
            len(set(data[:size])) < len(data) // 2
            and data == (data[:size] * len(data))[: len(data)]
        ):
            return f"is the same {size} bytes over and over"
    text = data.decode("latin-1").lower()
    for known in _KNOWN:
        if known in text:
            return f"has {known!r} in it, which stands in documentations"
    return None


def _keys(config: Any) -> Iterator[str]:
    key = config["SECRET_KEY"]
    if key is not None and (why := weakness(key)) is not None:
        yield f"SECRET_KEY {why}: {_CURE}"
    former = config.get("SECRET_KEY_FALLBACKS")
    if former is None:
        return
    if isinstance(former, (str, bytes)) or not isinstance(former, Sequence):
        yield "SECRET_KEY_FALLBACKS is one value: write a list, ['the former key']"
        return
    for number, each in enumerate(former):
        if (why := weakness(each)) is not None:
            yield (
                f"SECRET_KEY_FALLBACKS[{number}] {why}: whoever guesses it signs sessions; drop it"
            )


def _modes(config: Any) -> Iterator[str]:
    if config.get("TESTING"):
        yield "TESTING is on, which shows errors to visitors: leave it to the tests"
    if config.get("PROPAGATE_EXCEPTIONS"):
        yield "PROPAGATE_EXCEPTIONS is on, so errors are not answered: unset it"
    if config.get("TRAP_HTTP_EXCEPTIONS"):
        yield "TRAP_HTTP_EXCEPTIONS is on, so a 404 is a 500: unset it"
    if config.get("EXPLAIN_TEMPLATE_LOADING"):
        yield "EXPLAIN_TEMPLATE_LOADING is on, which is for development: unset it"
    if os.environ.get("PYTHONHASHSEED") == "0":
        yield "PYTHONHASHSEED=0 lets a client choose keys that collide: unset it"


def _hosts(config: Any) -> Iterator[str]:
    trusted = config.get("TRUSTED_HOSTS")
    if trusted is None:
        return
    if isinstance(trusted, (str, bytes)) or not isinstance(trusted, (Sequence, set, frozenset)):
        yield "TRUSTED_HOSTS is one value: write a list, ['shop.example']"
        return
    if not trusted:
        yield "TRUSTED_HOSTS is empty, so no request is answered: name the hosts"
    for host in trusted:
        name = host.rpartition(":")[0] if isinstance(host, str) and _has_port(host) else host
        if not isinstance(name, str) or _host(name) is None:
            yield (
                f"TRUSTED_HOSTS has {host!r}, which is no host: write 'shop.example', or"
                " '.shop.example' with all below it"
            )


def _has_port(host: str) -> bool:
    return re.search(r"[^:]:[0-9]+\Z|\]:[0-9]+\Z", host) is not None


def _cookies(config: Any) -> Iterator[str]:
    same_site = config.get("SESSION_COOKIE_SAMESITE")
    secure = config.get("SESSION_COOKIE_SECURE")
    name = str(config.get("SESSION_COOKIE_NAME"))
    if same_site not in (None, "Lax", "Strict", "None"):
        yield f"SESSION_COOKIE_SAMESITE={same_site!r} is none of 'Lax', 'Strict' and 'None'"
    if same_site == "None" and not secure:
        yield "SESSION_COOKIE_SAMESITE is 'None' without SESSION_COOKIE_SECURE: set that, too"
    if config.get("SESSION_COOKIE_PARTITIONED") and not secure:
        yield "SESSION_COOKIE_PARTITIONED without SESSION_COOKIE_SECURE: set that, too"
    if name.startswith(("__Host-", "__Secure-")) and not secure:
        yield f"SESSION_COOKIE_NAME={name!r} without SESSION_COOKIE_SECURE: browsers drop it"
    domain = config.get("SESSION_COOKIE_DOMAIN")
    path = config.get("SESSION_COOKIE_PATH") or config.get("APPLICATION_ROOT") or "/"
    if name.startswith("__Host-") and (domain or path != "/"):
        yield f"SESSION_COOKIE_NAME={name!r} with a domain or a path: browsers drop it"
    if domain and "." not in str(domain).strip("."):
        yield f"SESSION_COOKIE_DOMAIN={domain!r} is everybody's: name your own domain"
    if config.get("PREFERRED_URL_SCHEME") not in ("http", "https"):
        yield f"PREFERRED_URL_SCHEME={config.get('PREFERRED_URL_SCHEME')!r} is no scheme: 'https'"


_COUNTS = (
    "MAX_CONTENT_LENGTH", "MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS", "MAX_PART_HEAD_BYTES",
    "MAX_JSON_DEPTH", "MAX_BODY_CHUNKS",
    "REQUEST_BODY_TIMEOUT", "REQUEST_BODY_MIN_RATE", "RESPONSE_WRITE_TIMEOUT",
    "WEBSOCKET_MAX_MESSAGE_BYTES", "MAX_URL_BYTES", "MAX_HEAD_BYTES", "MAX_HEAD_FIELDS",
    "MAX_QUERY_PAIRS", "MAX_COOKIES", "MAX_COOKIE_BYTES", "MAX_RANGES", "MAX_ACCEPT_ITEMS",
    "MAX_INFLATED_BYTES", "MAX_INFLATE_RATIO",
)  # fmt: skip


def _limits(config: Any) -> Iterator[str]:
    for key in _COUNTS:
        value = config.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            yield f"{key}={value!r} is no limit: a number above 0, or None for none"


def _guards(config: Any) -> Iterator[str]:
    if config.get("ORIGIN_GUARD") not in ("refuse", "warn"):
        yield f"ORIGIN_GUARD={config.get('ORIGIN_GUARD')!r} is neither 'refuse' nor 'warn'"
    try:
        checked_origins(config.get("TRUSTED_ORIGINS") or (), "TRUSTED_ORIGINS")
    except SetupError as error:
        yield str(error)
    for key in ("CONTENT_SECURITY_POLICY", "REFERRER_POLICY", "PERMISSIONS_POLICY"):
        value = config.get(key)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            yield f"{key} is to be one line of text: a line break would end the field"
    if config.get("RATE_LIMIT_ON_STORE_FAILURE") not in ("allow", "refuse"):
        value = config.get("RATE_LIMIT_ON_STORE_FAILURE")
        yield f"RATE_LIMIT_ON_STORE_FAILURE={value!r} is neither 'allow' nor 'refuse'"
    rate = config.get("RATE_LIMIT")
    if rate is not None and not (isinstance(rate, str) and re.search(r"\d+\s*(/|per)", rate)):
        yield f"RATE_LIMIT={rate!r} is no rate: write '600/minute'"


def _spellings(app: Any) -> Iterator[str]:
    for one in getattr(app, "identities", ()):
        if getattr(one, "needs_exact_names", False):
            yield (
                f"{one!r} cannot be believed by --interface wsgi, where Granian reads X_User as"
                " X-User, which a proxy lets through: serve by rsgi or asgi"
            )


_FINDERS = (_keys, _modes, _hosts, _cookies, _limits, _guards)
