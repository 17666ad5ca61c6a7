# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of other texts: credentials, proxies' fields, schedules, paths, settings, addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from hipflask.database.failpoints import parse_setting
from hipflask.forward.answers import parse_retry_after
from hipflask.forward.compare import Compare, Seen
from hipflask.forward.hops import answer_fields, named_in_connection, turn_back
from hipflask.forward.paths import UnsafePath, join_path
from hipflask.forward.schedule import Schedule
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, Basic, Bearer, Identity, ProxyHeader
from hipflask.security.identity import Refused, dump_challenge, tellable
from hipflask.server.listen import bind_of, is_loopback, split_bind
from hipflask.settings.model import Secret
from hipflask.settings.reading import WrongValue, read_value
from hipflask.webhooks.sources import parse_rate
from hipflask.wrappers import Request

from .. import cases, target
from .http import JSON_TOKENS, JSONS
from .parser import Differs, parser, text_of, utf8_of


def _check(*given: Any) -> Identity | None:
    return None


PROVIDERS = (Bearer(_check), Basic(_check), ApiKey(_check), ApiKey(_check, query="key"))
PROXY = ProxyHeader("X-Forwarded-User", peers=["192.0.2.1", "unix"], roles_header="X-Roles")
AUTHORIZATIONS = dict(cases.HEADERS)["Authorization"]


@parser(
    *(one for one in AUTHORIZATIONS if len(one) < 600), b"Bearer abc.def.ghi", b"basic dTpw", b"Basic w6k6w6k=",
    tokens=(b"Bearer ", b"Basic ", b"=", b",", b" ", b"AAAA", b"\xff", b"Ojo6"), head=b"Basic ",
)  # fmt: skip
def credentials(data: bytes) -> None:
    fields = (("Authorization", data), ("X-API-Key", data))
    request = Request(target.environ_of("GET", b"/", b"key=" + data, fields))
    for provider in PROVIDERS:
        try:
            provider.credential(request)
        except Refused as refused:
            field = provider.challenge("invalid_token", refused.description)
            if target.UNSENDABLE.search(field):
                raise Differs("a challenge that cannot be sent ") from None


@parser(
    "ada", "ada,bob", "é", "\x00", "admin, staff,,", tokens=(b",", b" ", b"\xc3", b"\xff", b"a")
)
def proxy_fields(data: bytes) -> None:
    fields = (("X-Forwarded-User", data), ("X-Roles", data))
    for peer in ("192.0.2.1", "unix", text_of(data[:40])):
        environ = target.environ_of("GET", b"/", headers=fields)
        environ["REMOTE_ADDR"] = peer
        try:
            PROXY.identify(Request(environ))
        except Refused:
            continue


@parser("The token has expired", 'a"b\\c', "a\r\nb", tokens=(b'"', b"\\", b"\r\n", b"\xff"))
def challenge_text(data: bytes) -> None:
    field = dump_challenge("Bearer", realm="api", error_description=tellable(utf8_of(data)))
    if target.UNSENDABLE.search(field) or not field.isascii():
        raise Differs("a challenge that cannot be sent ")


@parser("5s..24h", "1s, 10s, 1m", "none", "1ms", "1.5h", "9" * 400 + "s", "٣s", "..", "1s..1s",
        refuses=SetupError, tokens=(b"s", b",", b"..", b"1", b".", b"ms", b"d", b" ", b"\xd9\xa3", b"9" * 99))  # fmt: skip
def schedule(data: bytes) -> None:
    found = Schedule.parse(utf8_of(data))
    for attempt in range(1, 4):
        wait = found.next(attempt, random=lambda: 0.5)
        if wait is not None and not 0 <= wait < 10**9:
            raise Differs(f"a wait of {wait} s ")
    str(found)


DATES = tuple(
    value
    for name, values in cases.HEADERS
    if name.startswith("If-") and "Since" in name
    for value in values
)


@parser("120", "0", "-1", "1.5", "9" * 99, "٣", *DATES, "Sun, 06 Nov 1994 08:49:37 -0000",
        tokens=(b"9", b",", b" ", b":", b"GMT", b"Nov", b"+", b"-9999", b"(", b")", b"\\", b'"', b"@"), head=b"Sun, 06 Nov ")  # fmt: skip
def retry_after(data: bytes) -> None:
    for text in (text_of(data), utf8_of(data)):
        found = parse_retry_after(text, 1_800_000_000.0)
        if found is not None and not found >= 0:
            raise Differs(f"{found} s ")


BASE = "https://ledger.example:8443/v2"


@parser(*(one for one in cases.PATHS if len(one) < 600), "/entries?a=1", "entries/%2e%2e/x", "%252e%252e", "/a;b/..;c",
        "//evil.example", "\\\\evil", "@evil", ":8080/x", "/%00", refuses=UnsafePath,
        tokens=(b"/", b"%2e", b"%25", b"..", b"\\", b"?", b"#", b"@", b":", b";", b"%2f", b"\xc3\xa9", b"//"))  # fmt: skip
def forward_path(data: bytes) -> None:
    for text in (text_of(data), utf8_of(data)):
        joined = join_path(BASE, text)
        parts = urlsplit(joined)
        if (parts.scheme, parts.netloc) != ("https", "ledger.example:8443"):
            raise Differs(f"{joined!r} leads elsewhere ")
        if not parts.path.startswith("/v2") or not joined.isascii():
            raise Differs(f"{joined!r} leaves its base ")


@parser("close", "keep-alive, X-Secret", "https://ledger.example:8443/v2/x", "//x", "https://ledger.example:8443@evil/",
        tokens=(b",", b" ", b"close", b"https://ledger.example:8443", b"/", b"@", b"[", b"?"))  # fmt: skip
def hop_fields(data: bytes) -> None:
    text = text_of(data)
    named_in_connection([("Connection", text), ("connection", text)])
    turn_back(text, BASE, "https://here.example")
    answer_fields(
        [("Location", text), ("Connection", text), (text[:9], "x")], BASE, "https://here.example"
    )


COMPARE = Compare()


@parser(*JSONS, b'{"a":1}\n{"a":2}', tokens=(*JSON_TOKENS, b"\n"))
def compared_answers(data: bytes) -> None:
    left, _, right = data.partition(b"\n")
    kind = (("Content-Type", "application/json"),)
    COMPARE.differences(Seen(200, kind, left), Seen(200, kind, right))


TYPES: tuple[Any, ...] = (
    int, float, bool, str, Secret, int | None, list[str], list[int], tuple[int, ...], dict[str, int], timedelta,
    Literal["a", "b"], set[str], str | int, bytes,
)  # fmt: skip


@parser("1", "true", "on", "a,b", "[1,2]", '{"a":1}', "P1D", "", "nan", "9" * 99, *JSONS[:40],
        tokens=(*JSON_TOKENS, b",", b"P", b"T", b"on", b"9"))  # fmt: skip
def setting_value(data: bytes) -> None:
    for text in (text_of(data), utf8_of(data)):
        for kind in TYPES:
            try:
                read_value(text, kind, True)
            except WrongValue as wrong:
                if len(text) > 12 and text in str(wrong):
                    raise Differs("the value is in what is said ") from None


@parser("P3:17", "P3:17:STOP", "a:1:RAISE,b", ",,", "a:0", "a:x", "a:1:X", refuses=ValueError,
        tokens=(b":", b",", b"1", b"STOP", b" ", b"\xd9\xa3"))  # fmt: skip
def failpoint_setting(data: bytes) -> None:
    parse_setting(utf8_of(data))


@parser("127.0.0.1:8000", ":80", "[::1]:80", "[::1]", "host", "unix:/x", "a:b:c", "x:99999", "x:٣",
        refuses=(SetupError, SystemExit), tokens=(b":", b"[", b"]", b"9", b"unix:", b"\xd9\xa3", b"%"))  # fmt: skip
def bind_address(data: bytes) -> None:
    text = utf8_of(data)
    is_loopback(text)
    try:
        host, port = split_bind(text)
    except SystemExit:
        return
    if not 0 <= port <= 65535:
        raise Differs(f"port {port} ")
    bind_of(host, port)


@parser("20/s", "600/m", "5000/h", "0/s", "1/x", "٣/s", "9" * 99 + "/s", refuses=SetupError,
        tokens=(b"/", b"s", b"9", b".", b"0", b"\xd9\xa3"))  # fmt: skip
def rate(data: bytes) -> None:
    found = parse_rate(utf8_of(data), "here")
    if not found > 0:
        raise Differs(f"{found} a second ")
