# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of what guards and observes: redirects, origins, proxies, addresses, traces, log lines."""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from urllib.parse import urljoin, urlsplit

from werkzeug.exceptions import HTTPException

from hipflask.scaffold import SetupError

from .. import cases, target
from .parser import Differs, parser, text_of, utf8_of


def has(name: str) -> bool:
    """Whether this checkout has the module."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # nor its package
        return False


TARGETS = tuple(one for one in cases.PATHS if len(one) < 600)
BROWSERS = str.maketrans({"\\": "/", "\t": None, "\r": None, "\n": None})

if has("hipflask.security.redirects"):
    from hipflask.security.redirects import safe_next

    @parser(*TARGETS, "https://shop.example/a", "https://shop.example@evil/", "/\t/evil", "/.//evil", "/%2e//x", "////x",
            tokens=(b"/", b"\\", b"\t", b".", b"%2e", b"https://", b"shop.example", b"@", b"?", b"#", b"\xc2\xa0"))  # fmt: skip
    def redirect_target(data: bytes) -> None:
        for text in (text_of(data), utf8_of(data)):
            found = safe_next(text, "/safe", origins=["https://shop.example"])
            # As browsers read it, which drop and turn some characters.
            whole = urlsplit(urljoin("https://own.example/a/b", found.translate(BROWSERS).strip()))
            if whole.netloc not in ("own.example", "shop.example") or whole.scheme != "https":
                raise Differs(f"{found!r} leads to {whole.netloc!r} ")


if has("hipflask.guards"):
    from hipflask.guards.inflating import inflate
    from hipflask.guards.proxies import Proxies
    from hipflask.guards.sites import checked_origins, is_own

    BOTH = (Proxies(["10.0.0.0/8", "unix"], 2), Proxies(["10.0.0.0/8"], 2, forwarded=True))

    @parser("1.2.3.4", "1.2.3.4, 10.0.0.1", "[2001:db8::7]:4711", "unknown", "for=1.2.3.4;proto=https", 'for="[::1]:80"',
            "for=_x;by=;host=a", ",,,", refuses=HTTPException,
            tokens=(b",", b";", b"for=", b'"', b"[", b"]", b":", b"proto=", b"http", b"10.0.0.1,", b"::ffff:", b"%"))  # fmt: skip
    def proxy_chain(data: bytes) -> None:
        text = text_of(data)
        for proxies in BOTH:
            for fields in (
                {"x-forwarded-for": text},
                {"x-forwarded-proto": text, "x-forwarded-for": "1.2.3.4"},
                {"forwarded": text},
            ):
                try:
                    proxies.client("10.0.0.1", fields)
                except HTTPException:
                    continue
            proxies.trusts(text)

    @parser("https://shop.example", "null", "http://shop.example:80", "https://SHOP.example:443", "https://[::1]:80",
            "https://shop.example.evil", refuses=SetupError, tokens=(b"://", b"https", b":", b".", b"[", b"]", b"@", b"/"))  # fmt: skip
    def origin(data: bytes) -> None:
        text = text_of(data)
        for host in ("shop.example", "shop.example:8443", "[::1]", text, None):
            if is_own(text, host) and "evil" in text and "evil" not in (host or ""):
                raise Differs("another's origin is our own ")
        checked_origins([text], "here")

    @parser(b"\x78\x9c\x03\x00\x00\x00\x00\x01", b"\x1f\x8b\x08" + b"\0" * 7 + b"\x03\0" + b"\0" * 8, refuses=HTTPException,
            tokens=(b"\x78\x9c", b"\x1f\x8b\x08\0", b"\x03\0", b"\xff\xff"))  # fmt: skip
    def compressed_body(data: bytes) -> None:
        for window in (15, 31, -15):
            try:
                if len(inflate(data, window, 1 << 20, 100)) > 1 << 20:
                    raise Differs("more than is allowed ")
            except HTTPException:
                continue


if has("hipflask.forward.reach"):
    from hipflask.forward.reach import refusal

    @parser("127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254", "fe80::1%eth0",
            "0.0.0.0", "100.100.100.200", "8.8.8.8", refuses=ValueError, tokens=(b":", b".", b"::", b"ffff:", b"127", b"%", b"0"))  # fmt: skip
    def reached_address(data: bytes) -> None:
        for reach in ("public", "named", "internal"):
            refusal(text_of(data), 443, reach)


if has("hipflask.ops.tracing"):
    from hipflask.ops.tracing import parse_trace

    @parser("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "ff-0-0-0", "cc-" + "1" * 32 + "-" + "2" * 16 + "-01-x",
            tokens=(b"-", b"00", b"a" * 16, b"=", b",", b"a=b,", b"@", b" "))  # fmt: skip
    def trace_context(data: bytes) -> None:
        text = text_of(data)
        for parent, state in ((text, text), ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", text)):
            found = parse_trace(parent, state)
            if found is not None and target.UNSENDABLE.search(
                "".join(map("".join, found.fields()))
            ):
                raise Differs("fields that cannot be sent ")


if has("hipflask.ops.lines"):
    from hipflask.ops.lines import object_of, quoted
    from hipflask.ops.redacting import Redactor

    REDACTOR = Redactor(["x-own"])
    SECRET = "hunter2hunter2"

    @parser("token=" + SECRET, "Authorization: Bearer " + SECRET, '{"password": "' + SECRET + '"}', "a=b&sig=%41&x=y",
            "\x1b[31m\u2028", tokens=(b"token", b"=", b"&", b"%", b":", b'"', b"Bearer ", b"secret", b" ", b"_", b"-", b"password"))  # fmt: skip
    def log_line(data: bytes) -> None:
        text = utf8_of(data)
        REDACTOR.query(text)
        if SECRET not in text and SECRET in REDACTOR.query(f"{text}&token={SECRET}"):
            raise Differs("a secret is in the query that is logged ")
        masked = REDACTOR.text(text, [SECRET])
        line = object_of({"message": masked, "value": text, "bytes": data, "number": float("nan")})
        for one in (line, quoted(text)):
            if not one.isascii() or any(ord(mark) < 0x20 or ord(mark) == 0x7F for mark in one):
                raise Differs("a character that steers a terminal is in the line ")
            json.loads(one)
        logging.makeLogRecord({"msg": text}).getMessage()


if has("hipflask.state.idempotency"):
    from hipflask.state.idempotency import read_key

    @parser('"abc"', "abc", "", '"a"b"', '"\\""', "a" * 300, refuses=HTTPException,
            tokens=(b'"', b"\\", b",", b" ", b";a=b", b"\xff"))  # fmt: skip
    def idempotency_key(data: bytes) -> None:
        text = text_of(data)
        for fields in ([text], [text, text], []):
            try:
                read_key(fields)
            except HTTPException:
                continue


if has("hipflask.security.throttle"):
    from hipflask.security.throttle import network_of

    @parser(
        "1.2.3.4",
        "2001:db8::1",
        "fe80::1%eth0",
        "::ffff:1.2.3.4",
        "unix:",
        tokens=(b":", b".", b"%", b"/"),
    )
    def callers_network(data: bytes) -> None:
        network_of(text_of(data))
