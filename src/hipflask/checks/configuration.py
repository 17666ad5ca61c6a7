"""What the application is set to: C01 to C06."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .declaring import Check, Found, Look, found

LEAST_SECRET = 8
MOST_BYTES = 2 * 1024 * 1024
_LOOPBACK = ("localhost", "127.", "[::1]", "::1", "")
_named_so = re.compile(r"(_SECRET|_SECRET_KEY|API_KEY|_TOKEN|PASSWORD)\Z").search
_UNSAFE_SOURCES = ("'unsafe-inline'", "'unsafe-eval'")


def secret_weak_or_committed(look: Look) -> Iterator[Found]:
    """C01. Values are compared here, in the application's process, and are told to nobody."""
    for key, why in look.facts.weak_keys.items():
        yield found(key, f"{key} {why}", "")
    # A name is a hint; a key, a `Secret` or a password in a URL is one.
    for name, value, is_sure in _secrets(look.app):
        for place in _places_of(value, look.project.root, look.project.files):
            where = f"{name} in {place.partition(':')[0]}"
            yield found(where, f"the value of {name} stands in a tracked file", place,
                        "E" if is_sure else "W")  # fmt: skip


def _secrets(app: Any) -> Iterator[tuple[str, str, bool]]:
    config = app.config
    for key in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        values = config.get(key)
        for value in values if isinstance(values, (list, tuple)) else [values]:
            yield from _if_long(key, value, True)
    for loaded in app.extensions.get("hipflask.settings", {}).values():
        for path, name in loaded.names.items():
            value = loaded.settings
            for step in path:
                value = getattr(value, step, None)
            if type(value).__name__ == "Secret":
                yield from _if_long(name, value.reveal(), True)
    for key, value in config.items():
        if not isinstance(value, str) or key.startswith("SECRET_KEY"):
            continue
        if "://" in value and "@" in value:
            yield from _password(key, value)
        elif _named_so(key):
            yield from _if_long(key, value, os.environ.get(key) == value)


def _if_long(name: str, value: Any, is_sure: bool) -> Iterator[tuple[str, str, bool]]:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if isinstance(text, str) and len(text) >= LEAST_SECRET:
        yield name, text, is_sure


def _password(key: str, url: str) -> Iterator[tuple[str, str, bool]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if parts.password and not (parts.hostname or "").startswith(_LOOPBACK[:-1]):
        # With the user before it: a password alone may be a common word.
        yield from _if_long(key, f"{parts.username or ''}:{parts.password}@", True)


def _places_of(value: str, root: str, files: list[str]) -> Iterator[str]:
    data = value.encode()
    for name in files:
        try:
            path = Path(root, name)
            if path.stat().st_size > MOST_BYTES:
                continue
            text = path.read_bytes()
        except OSError:
            continue
        at = text.find(data)
        if at >= 0:
            yield f"{name}:{text.count(bytes([10]), 0, at) + 1}"


def undeclared_setting(look: Look) -> Iterator[Found]:
    """C02."""
    declared = {name for names in look.facts.settings.values() for name in names}
    reads = {one.name: one.place for one in look.facts.reads}
    if look.record is not None:
        reads = {**look.record.reads, **reads}
    for name, place in sorted(reads.items()):
        if name not in declared and not name.startswith(("HIPFLASK_", "FLASK_")):
            yield found(name, f"{name} is read from the environment past the typed settings", place)


def debug_exposed(look: Look) -> Iterator[Found]:
    """C03."""
    config = look.facts.config
    for key, does in (
        ("DEBUG", "shows tracebacks to visitors, and runs what they type"),
        ("TESTING", "shows errors to visitors"),
        ("PROPAGATE_EXCEPTIONS", "hands errors to the server instead of answering them"),
        ("EXPLAIN_TEMPLATE_LOADING", "tells of the file system in the log"),
    ):
        if config.get(key):
            yield found(key, f"{key} is on in the configuration: it {does}", "")


def cookie_flags(look: Look) -> Iterator[Found]:
    """C04."""
    config = look.facts.config
    if not look.facts.has_sessions:
        return
    if not config.get("SESSION_COOKIE_SECURE"):
        yield found(
            "SESSION_COOKIE_SECURE", "the session's cookie is sent over plain HTTP, too", ""
        )
    if not config.get("SESSION_COOKIE_HTTPONLY"):
        yield found("SESSION_COOKIE_HTTPONLY", "scripts can read the session's cookie", "")
    if config.get("SESSION_COOKIE_SAMESITE") not in ("Lax", "Strict"):
        said = config.get("SESSION_COOKIE_SAMESITE")
        yield found("SESSION_COOKIE_SAMESITE", f"is {said!r}: other sites' requests carry it", "")


def headers(look: Look) -> Iterator[Found]:
    """C05. What is configured; with --probe what a page was really answered with."""
    facts = look.facts
    policy = str(facts.config.get("CONTENT_SECURITY_POLICY") or "")
    if look.probe is not None:
        yield from _answered(look)
    elif "headers" in facts.guards:
        if not policy or facts.config.get("CONTENT_SECURITY_POLICY_REPORT_ONLY"):
            yield found("CONTENT_SECURITY_POLICY", "no policy is enforced", "")
        for source in _UNSAFE_SOURCES:
            if source in policy:
                yield found("CONTENT_SECURITY_POLICY", f"allows {source}", "")
    elif facts.own_routes:
        # Views may set fields themselves, so without asking one this is no more than likely.
        told = "no guard sets security headers" if not facts.after_request else ""
        if told:
            yield found("application", told, "", "W")


def _answered(look: Look) -> Iterator[Found]:
    for route in look.facts.routes:
        if route.method != "GET" or route.kind != "view" or "<" in route.rule:
            continue
        answer = look.probe.ask(route, accept="text/html", enters=True)
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        # Nobody is shown what stands in a redirect.
        is_page = is_page and not 300 <= answer.status < 400
        if not is_page or answer.status >= 500 or answer.was_kept_off:
            continue
        lacking = _lacking(answer.headers)
        if lacking:
            yield found(route.name, f"answers without {', '.join(lacking)}", route.place)


def _lacking(fields: dict[str, str]) -> list[str]:
    policy = fields.get("content-security-policy", "")
    lacking = []
    if not policy:
        lacking.append("Content-Security-Policy")
    lacking += [f"a policy that forbids {one}" for one in _UNSAFE_SOURCES if one in policy]
    if fields.get("x-content-type-options", "").lower() != "nosniff":
        lacking.append("X-Content-Type-Options: nosniff")
    if "frame-ancestors" not in policy and "x-frame-options" not in fields:
        lacking.append("frame-ancestors")
    if "referrer-policy" not in fields:
        lacking.append("Referrer-Policy")
    return lacking


def limits(look: Look) -> Iterator[Found]:
    """C06."""
    config = look.facts.config
    told = {
        "MAX_CONTENT_LENGTH": "a body may be as large as it likes",
        "MAX_FORM_PARTS": "a form may have any number of parts",
        "MAX_FORM_MEMORY_SIZE": "a form's field may fill the memory",
        "REQUEST_BODY_TIMEOUT": "a client may take any time for its body",
    }
    if look.facts.as_flask:  # which has no such setting
        del told["REQUEST_BODY_TIMEOUT"]
    for key, text in told.items():
        if config.get(key) is None:
            yield found(key, f"is not set: {text}", "")


CHECKS = [
    Check(
        id="C01",
        name="secret-weak-or-committed",
        levels=("W", "E", "E"),
        needs="app",
        inspects="signing keys are long and no known default; no secret is in a tracked file",
        why="who knows the key signs sessions, and what was committed is known to all who clone",
        fix="make a new one, read it from the environment or /run/secrets, and rotate the old",
        find=secret_weak_or_committed,
    ),
    Check(
        id="C02",
        name="undeclared-setting",
        levels=("I", "W", "W"),
        needs="app",
        inspects="variables that the project's code reads are fields of a Settings class",
        why="a setting that is read anywhere is missing at the worst moment, and is in no list",
        fix="declare it: class Shop(Settings): ..., Shop.load(app)",
        find=undeclared_setting,
    ),
    Check(
        id="C03",
        name="debug-exposed",
        levels=("W", "E", "E"),
        needs="app",
        inspects="debugging and testing modes are off in the configuration",
        why="a traceback tells of the code, and the debugger runs what is typed into it",
        fix="leave it to 'hipflask run --debug' and to the tests",
        find=debug_exposed,
    ),
    Check(
        id="C04",
        name="cookie-flags",
        levels=("I", "W", "E"),
        needs="app",
        inspects="the session's cookie is Secure, HttpOnly and SameSite, where sessions are in use",
        why="without them the session leaks over plain HTTP, to scripts or to other sites' forms",
        fix="protect(app, https=True), or silence it for an intranet without HTTPS",
        fix_as_flask="set SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE='Lax' in app.config",
        find=cookie_flags,
    ),
    Check(
        id="C05",
        name="headers",
        levels=("-", "W", "E"),
        needs="app",
        inspects="pages are answered with a policy without unsafe-*, nosniff, frame-ancestors and"
        " Referrer-Policy; with --probe each GET page's answer",
        why="they are what stops a script that got into a page",
        fix="from hipflask.guards import protect; protect(app), and csp_nonce() for inline scripts",
        fix_as_flask="set them in an app.after_request function, or by Flask-Talisman",
        find=headers,
    ),
    Check(
        id="C06",
        name="limits",
        levels=("I", "W", "E"),
        needs="app",
        inspects="body size, parts and fields of forms, and the time for a body have limits",
        why="one client can fill memory or disk, or hold a thread for ever",
        fix="leave HIPFLASK_DEFAULTS as 'secure', or set the key to a number",
        fix_as_flask="set the key to a number in app.config",
        find=limits,
    ),
]  # fmt: skip
