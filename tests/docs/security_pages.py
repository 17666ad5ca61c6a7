"""Makes the tables of docs/lookup/limits.md and docs/do/production-checklist.md from the code.

python tests/docs/security_pages.py       writes them into the pages
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMITS = ROOT / "docs" / "lookup" / "limits.md"
CHECKLIST = ROOT / "docs" / "do" / "production-checklist.md"

_PLACE = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEADS = "`limit_heads`"


def secure_defaults() -> dict[str, Any]:
    """The configuration a new application starts with, whatever this shell asks for."""
    from hipflask.config import DEFAULTS, ROWS

    return {**DEFAULTS, **{row.key: row.secure for row in ROWS}}


def size(number: int) -> str:
    """A number of bytes as people read it."""
    for unit, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if number >= unit and number % unit == 0:
            return f"{number // unit} {name}"
    return f"{number:,} bytes"


def serve_option(name: str) -> str:
    from hipflask.cli import serve_command

    found = next(each for each in serve_command.params if each.name == name)
    return f"{found.default:g}" if isinstance(found.default, float) else str(found.default)


def limits() -> Iterator[tuple[str, str, str, str]]:
    """What is limited, the value, what is beyond it, and what changes it."""
    from hipflask.api.kinds.shapes import MAX_DIGITS
    from hipflask.api.outputs.paging import MAX_CURSOR_CHARACTERS, MAX_PAGE, MAX_PER_PAGE
    from hipflask.bodies import LONGEST_LENGTH
    from hipflask.forward.answers import READ_BYTES
    from hipflask.forward.client import MOST_CONNECTIONS
    from hipflask.front.exchange import BYTES_A_CHUNK, GRACE_S, SPOOL_BYTES
    from hipflask.guards.counters import KEPT
    from hipflask.multipart import MAX_PART_FIELDS
    from hipflask.security import basic, fetching, keys, passwords, redirects
    from hipflask.webhooks.inbox.writer import MOST_BYTES

    c = secure_defaults()
    yield "bytes of path and query", size(c["MAX_URL_BYTES"]), "414", f"`MAX_URL_BYTES`, {HEADS}"
    yield "bytes of all header fields", size(c["MAX_HEAD_BYTES"]), "431", (
        f"`MAX_HEAD_BYTES`, {HEADS}")  # fmt: skip
    yield "header fields", str(c["MAX_HEAD_FIELDS"]), "431", f"`MAX_HEAD_FIELDS`, {HEADS}"
    yield "pairs of the query", str(c["MAX_QUERY_PAIRS"]), "400", f"`MAX_QUERY_PAIRS`, {HEADS}"
    yield "cookies", str(c["MAX_COOKIES"]), "431", f"`MAX_COOKIES`, {HEADS}"
    yield "bytes of a cookie received", size(c["MAX_COOKIE_BYTES"]), "431", (
        f"`MAX_COOKIE_BYTES`, {HEADS}")  # fmt: skip
    yield "bytes of a cookie sent", size(c["MAX_COOKIE_SIZE"]), "a warning", "`MAX_COOKIE_SIZE`"
    yield "ranges", str(c["MAX_RANGES"]), "416", f"`MAX_RANGES`, {HEADS}"
    yield "items of Accept, If-Match and their like", str(c["MAX_ACCEPT_ITEMS"]), "400", (
        f"`MAX_ACCEPT_ITEMS`, {HEADS}")  # fmt: skip
    yield "Host fields; a length together with chunks", "1; never", "400", HEADS
    yield "digits of Content-Length", str(LONGEST_LENGTH), "400", "-"
    yield "bytes of a body", size(c["MAX_CONTENT_LENGTH"]), "413", (
        "`MAX_CONTENT_LENGTH`, `@limit_body` for a view")  # fmt: skip
    yield "bytes of a body kept in memory, under async servers", size(SPOOL_BYTES), (
        "a temporary file"), "-"  # fmt: skip
    yield "chunks of a body", f"{c['MAX_BODY_CHUNKS']}, and one per {BYTES_A_CHUNK} bytes", (
        "400"), "`MAX_BODY_CHUNKS`"  # fmt: skip
    yield "seconds without a byte of a body", f"{c['REQUEST_BODY_TIMEOUT']} s", "408", (
        "`REQUEST_BODY_TIMEOUT`")  # fmt: skip
    yield "pace of a body", f"{c['REQUEST_BODY_MIN_RATE']} bytes/s after {GRACE_S:g} s", "408", (
        "`REQUEST_BODY_MIN_RATE`")  # fmt: skip
    yield "a compressed body", "none", "415", "`@inflates_body` for a view, `refuse_encoded`"
    yield "bytes of one, unpacked", size(c["MAX_INFLATED_BYTES"]), "413", "`MAX_INFLATED_BYTES`"
    yield "ratio of one, past 64 KiB", f"{c['MAX_INFLATE_RATIO']}", "413", "`MAX_INFLATE_RATIO`"
    yield "bytes of a form's fields", size(c["MAX_FORM_MEMORY_SIZE"]), "413", (
        "`MAX_FORM_MEMORY_SIZE`")  # fmt: skip
    yield "parts of a multipart form", str(c["MAX_FORM_PARTS"]), "413", "`MAX_FORM_PARTS`"
    yield "fields before a part, and their bytes", (
        f"{MAX_PART_FIELDS}; {size(c['MAX_PART_HEAD_BYTES'])}"), "413", (
        "`MAX_PART_HEAD_BYTES`")  # fmt: skip
    yield "levels of JSON in one another", str(c["MAX_JSON_DEPTH"]), "400", (
        "`MAX_JSON_DEPTH`, `request.max_json_depth`")  # fmt: skip
    yield (
        "levels of MessagePack, in typed views",
        "some 1,000, Python's recursion limit",
        "400",
        "-",
    )
    yield "digits of a JSON integer", f"{MAX_DIGITS:,}", "400", "-"
    yield "page and items per page", f"{MAX_PAGE:,}; {MAX_PER_PAGE}", "400", "the parameter's type"
    yield "characters of a page's cursor", f"{MAX_CURSOR_CHARACTERS:,}", "400", "-"
    yield "seconds a client takes nothing of a response", f"{c['RESPONSE_WRITE_TIMEOUT']} s", (
        "the connection is cut"), "`RESPONSE_WRITE_TIMEOUT`"  # fmt: skip
    yield "bytes of a WebSocket message", size(c["WEBSOCKET_MAX_MESSAGE_BYTES"]), (
        "closed with 1009"), "`WEBSOCKET_MAX_MESSAGE_BYTES`"  # fmt: skip
    yield "silence of a WebSocket", f"{c['WEBSOCKET_IDLE_S']} s", "closed with 1001", (
        "`WEBSOCKET_IDLE_S`")  # fmt: skip
    yield "requests in work, per worker", serve_option("max_requests_in_work"), "503", (
        "`serve --max-requests-in-work`")  # fmt: skip
    yield "plain views at a time, per worker", serve_option("threads"), "they wait", (
        "`serve --threads`")  # fmt: skip
    yield "plain views that wait, per worker", "4 x threads", "503", "`serve --queue`"
    yield "seconds of a request", "none", "504", "`serve --request-timeout`"
    yield "requests of one caller", "none", "429", "`RATE_LIMIT`, `@rate_limit` for a view"
    yield "callers counted in memory", f"{KEPT:,}", "past it they are forgotten", "-"
    yield "characters of an API key", str(keys.LONGEST_KEY), "401", "-"
    yield "characters of a password", str(passwords.LONGEST_PASSWORD), "401", "-"
    yield "bytes of an Authorization: Basic", size(basic._LONGEST), "401", "-"
    yield "bytes of a key set fetched", size(fetching.MOST_BYTES), "401", "-"
    yield "characters of a place to go next", f"{redirects.LONGEST:,}", "the fallback", "-"
    yield "bytes of a webhook", size(MOST_BYTES), "413", "the source's `max_body`"
    yield "connections to one address", str(MOST_CONNECTIONS), "they wait", "-"
    yield "bytes read of a call's answer", size(READ_BYTES), "the rest is not read", "`read_bytes`"


def make_limits() -> str:
    lines = ["| what | limit | past it | changed by |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in limits()]
    return "\n".join(lines) + "\n"


def make_refused() -> str:
    """What `serve` refuses, a line for each finding of the code."""
    from hipflask.guards.production import LEAST_DIFFERENT, LEAST_SECRET_BYTES

    rows = (
        f"`SECRET_KEY` under {LEAST_SECRET_BYTES} bytes, with fewer than {LEAST_DIFFERENT}"
        " different ones, repeated, or out of a documentation; the same for each of"
        " `SECRET_KEY_FALLBACKS`, which is a list",
        "`DEBUG`, `TESTING`, `PROPAGATE_EXCEPTIONS`, `TRAP_HTTP_EXCEPTIONS` or"
        " `EXPLAIN_TEMPLATE_LOADING` switched on; `PYTHONHASHSEED=0`",
        "`TRUSTED_HOSTS` that is no list, is empty, or names what is no host, such as a URL or `*`",
        "a session cookie that browsers drop or send to everybody: `SameSite=None` without"
        " Secure, `__Host-` with a domain or path, a domain like `.com`",
        "a limit that is no number above 0",
        "words the guards do not know: `ORIGIN_GUARD`, `TRUSTED_ORIGINS`, `RATE_LIMIT`, a policy"
        " with a line break",
    )
    return "".join(f"- {row}\n" for row in rows)


def make_defaults() -> str:
    """What is on without a line of configuration, and what one line adds."""
    from hipflask.config import ROWS

    lines = ["| setting | value | so that |", "|---|---|---|"]
    lines += [f"| `{row.key}` | `{row.secure!r}` | {row.reason} |" for row in ROWS]
    return "\n".join(lines) + "\n"


def make_fields() -> str:
    """The fields of an answer in the production profile, as an application sends them."""
    from hipflask import Flask
    from hipflask.guards import protect

    before = os.environ.pop("HIPFLASK_DEFAULTS", None)
    try:
        app = Flask("checklist")
        protect(app, https=True)
        app.add_url_rule("/", "index", lambda: "")
        answer = app.test_client().get("/", base_url="https://shop.example")
    finally:
        if before is not None:
            os.environ["HIPFLASK_DEFAULTS"] = before
    plain = ("Content-Type", "Content-Length")
    return "".join(f"- `{n}: {v}`\n" for n, v in answer.headers if n not in plain)


_MAKERS = {
    "limits": make_limits,
    "refused": make_refused,
    "defaults": make_defaults,
    "fields": make_fields,
}


def make_page(text: str) -> str:
    """Return the page's text with the made parts put in anew."""
    return _PLACE.sub(lambda found: f"{found[1]}\n{_MAKERS[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Write the pages."""
    for page in (LIMITS, CHECKLIST):
        page.write_text(make_page(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
