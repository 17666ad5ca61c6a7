# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of webhooks: signatures and times, what an event is, the console's filters."""

from __future__ import annotations

from urllib.parse import parse_qs

from werkzeug.datastructures import MultiDict

from hipflask.look.moments import dump_iso, dump_moment, parse_moment
from hipflask.webhooks import Delivery, Reason
from hipflask.webhooks.display import pretty, redact, secret_headers, visible
from hipflask.webhooks.encodings import dump_signature, parse_signature, parse_time
from hipflask.webhooks.events import bare_type, plain_event
from hipflask.webhooks.failures import Permanent
from hipflask.webhooks.fields import dump_headers, parse_headers
from hipflask.webhooks.forms import parse_settings, urls_of
from hipflask.webhooks.handshakes import cloudevents_options, discord_ping, slack_challenge
from hipflask.webhooks.identify import Identifier
from hipflask.webhooks.layouts import Listed, Pairs, Versions, Whole
from hipflask.webhooks.reconcile.github import _cursor_of
from hipflask.webhooks.selection import Selection
from hipflask.webhooks.verdict import Refusal
from tests.webhooks.senders import NAMES, SENDERS, T
from tests.webhooks.test_hostile import BODIES, TIMES, VALUES

from .http import JSON_TOKENS, JSONS
from .parser import Differs, equal, parser, text_of, utf8_of

SHORT = tuple(value for value in VALUES.values() if len(value) < 1_000)
END = b"\0"
VERIFIERS = {name: SENDERS[name].verifier() for name in NAMES}
IDENTIFIERS = {
    name: Identifier(one.scheme, key="data.object.id") for name, one in VERIFIERS.items()
}
DELIVERED = {name: SENDERS[name].deliver() for name in NAMES}


def _seed(number: int, name: str) -> bytes:
    """A true delivery: which sender, its signature, its time, its id, its body."""
    scheme, delivery = VERIFIERS[name].scheme, DELIVERED[name]
    fields = [
        delivery.values(field)
        for field in (scheme.header, scheme.time_header, scheme.id_header)
        if field
    ]
    values = [found[0] if found else b"" for found in fields] + [b""] * (3 - len(fields))
    return bytes([number]) + END.join([*values, delivery.body])  # fmt: skip


@parser(
    *(_seed(number, name) for number, name in enumerate(NAMES)),
    *(bytes([n]) + value.encode("utf-8", "surrogatepass") + END + str(T).encode() for n, value in enumerate(SHORT)),
    tokens=(b",", b"=", b"v1,", b"t=", b"v1=", b"sha256=", b";", b" ", b"AAAA", b"00", END, b"h=x ", b"9", b"v1=00,"),
    head=b"\0t=1,",
)  # fmt: skip
def webhook_verifier(data: bytes) -> None:
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    verifier = VERIFIERS[name]
    scheme = verifier.scheme
    values = [*data[1:].split(END, 3), b"", b"", b""][:4]
    named = zip((scheme.header, scheme.time_header, scheme.id_header), values, strict=False)
    fields = [(field.encode(), value) for field, value in named if field]
    others = [one for one in DELIVERED[name].headers if one[0].lower() not in dict(fields)]
    delivery = Delivery([*others, *fields], values[3], query=values[2][:99])
    verdict = verifier.verify(delivery, now=T)
    if not isinstance(verdict.reason, Reason | None):
        raise Differs("no verdict ")
    IDENTIFIERS[name].identify(delivery, verdict)


LAYOUTS = (
    Whole("sha256="), Whole("Bearer ", any_case=True), Listed(), Listed("v0="), Versions(), Pairs(",", "t", "v1"),
    Pairs(";", "ts", "h1"), Pairs(",", "t", "v1", "h"),
)  # fmt: skip


@parser(*(value.encode("utf-8", "surrogatepass") for value in SHORT), refuses=(),
        tokens=(b",", b";", b"=", b" ", b"t=1", b"v1=", b"h=", b"sha256=", b"v0=", b"ts=1;"))  # fmt: skip
def signature_layouts(data: bytes) -> None:
    for layout in LAYOUTS:
        try:
            layout.parse(data, "X-Signature")
        except Refusal:
            continue


@parser(*TIMES, *SHORT[:0], "A" * 43 + "=", "0" * 64, "AA==", "AB==", "-_-_", "2016-02-18T10:00:00.5+02:00",
        tokens=(b"=", b"A", b"0", b"+", b"-", b"Z", b"T10:", b"\n", b"9", b"."))  # fmt: skip
def signature_and_time_texts(data: bytes) -> None:
    for encoding in ("hex", "base64", "base64url"):
        found = parse_signature(data, encoding)
        if found is not None and dump_signature(found, encoding) not in (data, data.lower()):
            raise Differs(f"{data!r} is not the one form of its signature in {encoding} ")
    for form in ("s", "ms", "iso"):
        try:
            parse_time(data, form, "X-Time")
        except Refusal:
            continue


@parser(
    *BODIES[:6], *JSONS, b"payload=%7B%22a%22%3A1%7D", b"a=1&b=%ff", b"payload=%5B" * 3,
    tokens=(*JSON_TOKENS, b"payload=", b"&", b"%7B", b"%"),
)  # fmt: skip
def webhook_event(data: bytes) -> None:
    for kind in (b"application/json", b"application/x-www-form-urlencoded; charset=utf-8"):
        try:
            plain_event(((b"Content-Type", kind),), data)
        except Permanent:
            continue
    bare_type(data)


QUESTIONS = (
    b'{"type":"url_verification","challenge":"abc"}', b'{"type":1}', b"example.com", b"120", b"*", b"a.b-c.d",
)  # fmt: skip


@parser(*QUESTIONS, *JSONS[:40], tokens=(*JSON_TOKENS, b".", b"-", b"a.", b"*"))
def handshakes(data: bytes) -> None:
    slack_challenge(Delivery([], data))
    discord_ping(Delivery([], data))
    fields = [(b"WebHook-Request-Origin", data), (b"WebHook-Request-Rate", data[-9:])]
    for given in (fields, [*fields, *fields]):
        cloudevents_options(
            Delivery(given, b"", method="OPTIONS"), origins={"*"}, rate_per_minute=9
        )


@parser(*SHORT[:10], "key=1,algorithm=HMAC_SHA256", "algorithm=HMAC_SHA1,algorithm=x", "bodySHA256=00",
        refuses=Refusal, tokens=(b",", b"=", b"algorithm=", b"HMAC_SHA256", b" ", b"%", b"&"))  # fmt: skip
def form_signatures(data: bytes) -> None:
    urls_of("https://user@example.com:8443/hooks", Delivery([], b"", query=data))
    parse_settings(data)


@parser("2h", "30s", "7d", "1w", "2026-11-23", "2026-11-23T08:00", "2026-11-23T08:00:00+14:00", "0001-01-01",
        "9999-12-31T23:59:59-23:59", "0001-01-01T00:00+23:59", "2026-W47-1", "20261123T08", *TIMES,
        refuses=ValueError, tokens=(b"T", b"-", b":", b"+", b"Z", b"h", b"9", b".", b"W", b" "))  # fmt: skip
def moment(data: bytes) -> None:
    found = parse_moment(utf8_of(data), 1_800_000_000.0)
    # As the console shows it again.
    dump_moment(found)
    dump_iso(found)


@parser("state=dead&since=2h", "text=a&key=b&until=2026-11-23&lane=x", "state=none", "since=&until=%00",
        refuses=ValueError, tokens=(b"&", b"state=", b"dead", b"since=", b"until=", b"2h", b"%", b"="))  # fmt: skip
def console_filters(data: bytes) -> None:
    given = MultiDict(parse_qs(utf8_of(data), keep_blank_values=True))
    found = Selection.parse(given)
    found.query(1_800_000_000.0)
    found.words()
    if Selection.parse(MultiDict(found.values())) != found:
        raise Differs("filters do not come back ")


@parser(*JSONS, *BODIES[:5], b"\x1b[31m", "\u202e".encode(), b"a" * 300 + b"\xc3",
        tokens=(*JSON_TOKENS, b"\x1b[", b"\xe2\x80\xae", b"\xc3", b"\xff", b"&", b"%1b"))  # fmt: skip
def body_for_people(data: bytes) -> None:
    for kind in ("", "application/json", "application/x-www-form-urlencoded"):
        for limit in (64, 65536):
            shown = pretty(data, kind, limit)
            if shown.text != visible(shown.text):
                raise Differs("a character that steers a terminal was shown ")
    redact([(data[:9], data), (b"Cookie", data)], secret_headers(VERIFIERS["standard"].scheme))


@parser(dump_headers(((b"A", b"b"), (b"C", b""))), b"", b"\x90", b"\x91\x92\xc4\x01a\xc4\x01b",
        # Rows that we wrote ourselves: whoever changed them is told so.
        refuses=(ValueError, RecursionError), tokens=(b"\x91", b"\x92", b"\xc4\x01", b"\xc6", b"\xdd"))  # fmt: skip
def stored_fields(data: bytes) -> None:
    found = parse_headers(data)
    if found is not None:
        equal(parse_headers(dump_headers(found)), found)


@parser('<https://api.github.com/x?cursor=a>; rel="next"', '<x>; rel="prev", <y?cursor=b>; rel="next"', "<http://[>",
        tokens=(b"<", b">", b";", b",", b'rel="next"', b"cursor=", b"?", b"&", b"[", b"\xe2\x84\xa1"))  # fmt: skip
def link_field(data: bytes) -> None:
    _cursor_of(text_of(data))
