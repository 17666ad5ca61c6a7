# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of who comes in and of what is kept: tokens, providers' answers, logins, copies, URLs.

Two are whole applications, with a login page and with all guards.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from joserfc import jwk, jwt
from prometheus_client.parser import text_string_to_metric_families

from hipflask import Blueprint, Flask, request
from hipflask.database.backup import manifest_of, read_manifest
from hipflask.database.location import file_system, read_url
from hipflask.guards import cors, inflates_body, protect, rate_limit, trust_proxies
from hipflask.ops import exposition
from hipflask.ops.identifiers import is_safe, trusting
from hipflask.ops.metrics import Registry
from hipflask.scaffold import SetupError
from hipflask.security import Bearer, Identity, OIDCLogin, Throttle, add_login, jwt_check, public
from hipflask.security.fetching import check_url
from hipflask.security.identity import Refused
from hipflask.security.keyplaces import _parse as parse_keys
from hipflask.security.oidc import ProviderAway, _Answer
from hipflask.security.redirects import is_local
from hipflask.security.tokens import Keys, KeysAway
from hipflask.server.relay import has_token, names_loopback
from hipflask.settings.sources import Unreadable, _read_toml
from hipflask.wrappers import Request

from .. import cases, target
from .http import JSON_TOKENS, JSONS
from .parser import Differs, parser, text_of, utf8_of

logging.getLogger("hipflask").addHandler(logging.NullHandler())  # or each line goes to stderr
FOLDER = Path(tempfile.mkdtemp(prefix="hipflask-parsers-"))
FILE = FOLDER / f"file-{os.getpid()}"
ISSUER, AUDIENCE = "https://id.example", "shop"

KEY = jwk.ECKey.generate_key("P-256")
KEY_SET = {"keys": [KEY.as_dict(private=False)]}
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ada",
    "exp": int(time.time()) + 10**7,
    "nonce": "n",
}
TOKEN = jwt.encode({"alg": "ES256"}, CLAIMS, KEY)
NONE = "eyJhbGciOiJub25lIn0." + TOKEN.split(".")[1] + "."
BEARER = Bearer(jwt_check(KEY_SET, issuer=ISSUER, audience=AUDIENCE), token_format="JWT")


@parser(TOKEN, NONE, "a.b.c", "..", "eyJhbGciOiJIUzI1NiJ9.e30.", TOKEN.replace(".", "=."), TOKEN[:-9] + "A" * 9,
        tokens=(b".", b"eyJ", b"=", b"-", b"_", b"e30", b"AAAA", b"eyJhbGciOiJub25lIn0", b"\xff"))  # fmt: skip
def bearer_token(data: bytes) -> None:
    environ = target.environ_of("GET", b"/", headers=(("Authorization", b"Bearer " + data),))
    try:
        found = BEARER.identify(Request(environ))
    except Refused:
        return
    # The last letter of a signature has bits to spare, and ECDSA's twin of it is another text.
    if found is not None and data.split(b".")[:2] != TOKEN.encode().split(b".")[:2]:
        raise Differs(f"{found!r} came in ")


KEY_SETS = (json.dumps(KEY_SET), '{"keys":[]}', '{"keys":[{"kty":"EC"}]}', '{"keys":{"kty":"oct"}}', '{"keys":[{"kty":"oct","k":"AA"}]}',
            '{"keys":[1,null]}', '{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}')  # fmt: skip


@parser(*KEY_SETS, *JSONS[:30], refuses=(KeysAway, Refused, ValueError, RecursionError),
        tokens=(*JSON_TOKENS, b'"keys":[', b'"kty":"EC"', b'"x":"', b'"crv":"P-256"', b'"alg":"none"', b'"kty":"oct","k":"'))  # fmt: skip
def key_set(data: bytes) -> None:
    keys = Keys(ISSUER, lambda: json.loads(data))
    keys.read(lambda held: jwt.decode(TOKEN, held, algorithms=["ES256"]))


class Provided(OIDCLogin):
    """One whose provider answers what it is told to."""

    answer = b""

    def _client(self, callback: str) -> Any:
        made = super()._client(callback)
        made.session = self
        return made

    def post(self, url: str, **options: Any) -> _Answer:
        status = 400 if self.answer[:1] == b"\0" else 200
        return _Answer(status, self.answer.lstrip(b"\0"))


ENDPOINTS = {
    "token_endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/in",
    "jwks_uri": f"{ISSUER}/keys",
}
DOCUMENT = {"issuer": ISSUER, **ENDPOINTS}
PROVIDED = Provided(ISSUER, AUDIENCE, "secret")
PROVIDED._keys = Keys(given=KEY_SET)


@parser(json.dumps({"id_token": TOKEN, "access_token": "a", "token_type": "Bearer"}), json.dumps({"id_token": NONE}), "[]", "1",
        '{"error":"invalid_grant"}', '{"error":1}', '{"id_token":1}', '{"expires_in":"x"}', '{"expires_in":1e400}', *JSONS[:30],
        tokens=(*JSON_TOKENS, b'"id_token":"', b'"error":', b'"expires_in":', b'"access_token":', b"\0", b"eyJ"))  # fmt: skip
def answer_of_a_provider(data: bytes) -> None:
    PROVIDED.answer = data
    try:
        token = PROVIDED._redeem(
            ENDPOINTS, "https://shop.example/login/oidc/callback", "code", "v" * 43
        )
        claims = PROVIDED._judge(token, "n")
    except (Refused, ProviderAway):
        return
    if claims.get("sub") != "ada":
        raise Differs(f"{claims!r} came in ")


@parser(json.dumps(DOCUMENT), json.dumps({**DOCUMENT, "end_session_endpoint": "https://["}), *JSONS[:20], refuses=ValueError,
        tokens=(*JSON_TOKENS, b"https://", b"issuer", b"jwks_uri", b"@", b"[", b":99999", b"http://localhost"))  # fmt: skip
def discovery_document(data: bytes) -> None:
    try:
        document = json.loads(data)
    except RecursionError:
        return
    found = PROVIDED._checked(document)
    for name in ENDPOINTS:
        check_url(found[name])


def _login_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "only for these parsers, and no secret"
    app.config.update(PROPAGATE_EXCEPTIONS=True)
    app.access = public
    throttle = Throttle(account_free=10**9, address_free=10**9)
    add_login(
        app,
        check=lambda name, password: Identity(name) if password == "right" else None,
        throttle=throttle,
    )
    return app


LOGIN = _login_app()
FORM = b"application/x-www-form-urlencoded"


@parser("name=ada&password=right&next=/me", "name=ada&password=right&next=//evil.example", "name=ada&password=wrong", "name=%00&password=%ff",
        "next=%0d%0aX:%20y&name=a&password=right", "name=" + "a" * 300 + "&password=right", "everywhere=1",
        tokens=(b"&", b"name=", b"password=right", b"next=", b"%", b"/", b"%2f", b"%5c", b"%0d%0a", b"%09", b"//", b"%ed%a0%80"))  # fmt: skip
def login_form(data: bytes) -> None:
    for path in (b"/login", b"/login/out"):
        environ = target.environ_of("POST", path, headers=(("Content-Type", FORM),), body=data)
        status, fields = answered(LOGIN, environ)
        place = fields.get("Location", "/")
        if not is_local(place):
            raise Differs(f"{place!r} is elsewhere ")
        if status not in (303, 400, 401, 403, 413, 429):
            raise Differs(f"answered {status} ")


def _guarded_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "only for these parsers, and no secret"
    app.config.update(PROPAGATE_EXCEPTIONS=True, TRUSTED_HOSTS=["localhost"])
    trust_proxies(app, ["192.0.2.0/24"], hops=2)
    protect(app)

    @app.route("/", methods=["GET", "POST"])
    @rate_limit("1000000/day")
    @inflates_body
    def index() -> Any:
        return {
            "from": request.remote_addr,
            "args": request.args,
            "size": len(request.get_data()),
            "name": request.cookies.get("name"),
        }

    partner = Blueprint("partner", __name__, url_prefix="/partner")
    cors(partner, origins=["https://partner.example"], credentials=True)
    partner.add_url_rule("/", "orders", lambda: "orders", methods=["GET", "POST"])
    app.register_blueprint(partner)
    return app


GUARDED = _guarded_app()
FIELDS = [(name, one) for name, values in cases.HEADERS for one in values if len(one) < 300]
LINES = tuple(
    b"POST /?a=b\n" + name.encode() + b": " + one + b"\nOrigin: http://localhost\n"
    for name, one in FIELDS[:60]
)


@parser(*LINES, b"OPTIONS /partner/\nOrigin: https://partner.example\nAccess-Control-Request-Method: POST\n",
        b"GET /\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\n", b"POST /\nContent-Encoding: gzip\n\n\x1f\x8b\x08",
        b"GET /\nCookie: name=a; b=c\nRange: bytes=0-1,2-3\nAccept: a/b, c/d;q=0\n",
        tokens=(b"\nOrigin: ", b"\nX-Forwarded-For: ", b"\nCookie: ", b"\nAccept: ", b"\nRange: bytes=", b"\nContent-Encoding: ", b"\n\n",
                b"\nHost: ", b"\nSec-Fetch-Site: ", b"OPTIONS /partner/", b"POST ", b"https://partner.example", b",", b"%", b"\nX-Forwarded-Proto: "))  # fmt: skip
def guarded_request(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    line, *lines = head.split(b"\n")
    method, _, aim = line.partition(b" ")
    path, _, query = aim.partition(b"?")
    fields = []
    for each in lines:
        name, _, value = each.partition(b":")
        if (
            name.isascii()
            and name.replace(b"-", b"").isalpha()
            and name.lower() != b"content-length"
        ):
            fields.append((name.decode(), value.strip()))
    word = method.decode("latin-1").strip().upper()
    environ = target.environ_of(
        word if word.isalpha() and word.isascii() else "GET",
        path or b"/",
        query,
        tuple(fields),
        body,
    )
    status, found = answered(GUARDED, environ)
    if status >= 500 and status != 501:
        raise Differs(f"answered {status} ")
    if (
        found.get("Access-Control-Allow-Origin", "https://partner.example")
        != "https://partner.example"
    ):
        raise Differs("another's origin may read ")
    if "X-Content-Type-Options" not in found:
        raise Differs("an answer without its guards ")


def answered(app: Flask, environ: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """Status and fields of an answer, read to its end; raises for fields that cannot be sent."""
    told: list[Any] = []
    chunks = app(environ, lambda line, fields, exc_info=None: told.append((line, fields)))
    for _ in chunks:
        pass
    if hasattr(chunks, "close"):
        chunks.close()
    line, fields = told[-1]
    for name, value in fields:
        if target.UNSENDABLE.search(name + value):
            raise Differs(f"a field that cannot be sent: {name} ")
    return int(line[:3]), dict(fields)


TRUSTED = trusting(["192.0.2.0/24"])


class Head:
    """A request's head, as far as its name is asked of it."""

    def __init__(self, sent: str, address: str) -> None:
        self._sent, self.client = sent, (address, 1)

    def header(self, name: str) -> str:
        return self._sent


@parser("4bf92f3577b34da6", "a-b_c.d", "....", "a\r\nb", "${jndi}", "a" * 129, tokens=(b"-", b".", b"_", b"\n", b"\xff", b"a"))  # fmt: skip
def request_id(data: bytes) -> None:
    text = text_of(data)
    for address in ("192.0.2.1", "198.51.100.1", text[:40]):
        found = TRUSTED(Head(text, address))
        if not is_safe(found) or (found == text and not address.startswith("192.0.2.")):
            raise Differs(f"a request is called {found!r} ")


@parser("text/plain", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "*/*", *cases.HEADERS[0][1][:8],
        tokens=(b",", b";q=", b"text/plain", b"application/openmetrics-text", b"*/*", b"nan", b'"'))  # fmt: skip
def figures_accept(data: bytes) -> None:
    if exposition.choose(text_of(data)) not in (exposition.TEXT, exposition.OPENMETRICS):
        raise Differs("another format ")


@parser('a"b\\c\nd', "\u2028", "{a=\"b\"} 1", "\\n", tokens=(b'"', b"\\", b"\n", b"}", b"{", b"\xc3\xa9", b"#", b"\r", b","))  # fmt: skip
def figures_lines(data: bytes) -> None:
    text = utf8_of(data)
    registry = Registry()
    registry.counter("things_total", text, ("label",)).add(1, text)
    dumped = exposition.dump(registry.families()).decode()
    (family,) = text_string_to_metric_families(dumped)
    if [sample.labels["label"] for sample in family.samples] != [text]:
        raise Differs(f"{text!r} comes back as another ")


@parser("127.0.0.1", "localhost:9090", "[::1]:80", "127.0.0.1@evil", "[", "evil.127.0.0.1", "Bearer token", "bearer  token", "Basic token",
        tokens=(b":", b"[", b"]", b"@", b"127.0.0.1", b"localhost", b"Bearer ", b"token", b"/", b"?", b"#", b"\\", b"\xff"))  # fmt: skip
def ops_port_fields(data: bytes) -> None:
    text = text_of(data)
    if names_loopback(text) and "evil" in text.partition(":")[0]:
        raise Differs(f"{text!r} is no loopback address ")
    if has_token("token", text) and not text.lower().startswith("bearer ") and "token" not in text:
        raise Differs(f"{text!r} has not the token ")


MANIFEST = b'{"made_at":1.0,"store":"sqlite:///a.db","schema":"0002","size_bytes":8192,"sha256":"00","rows":{"a":1}}'


@parser(MANIFEST, *JSONS[:30], refuses=SetupError, tokens=(*JSON_TOKENS, b'"rows":{', b'"sha256":', b'"schema":null'))  # fmt: skip
def backup_manifest(data: bytes) -> None:
    manifest_of(FILE).write_bytes(data)
    read_manifest(FILE)


@parser('{"keys":[{"id":"key_abc","hash":"sha256:00","name":"a","roles":[],"made":1}]}', *JSONS[:20], refuses=SetupError,
        tokens=(*JSON_TOKENS, b'"keys":[', b'"hash":"sha256:', b'"roles":['))  # fmt: skip
def key_file(data: bytes) -> None:
    for each in parse_keys(data, "here"):
        each.state(1.0)


@parser("sqlite:///a.db", "postgresql://u:p@h/n", "sqlite://", "sqlite:////tmp/x.db", "sqlite:///:memory:", "postgres://[::1", "mysql://a",
        "sqlite:///a.db?mode=ro", "postgresql://u:p%40@h:99999999/n", "sqlite:///a\0b", refuses=SetupError,
        tokens=(b"://", b"sqlite", b"postgresql", b"@", b":", b"?", b"=", b"%", b"/", b"[", b"\0", b"+", b"p"))  # fmt: skip
def store_url(data: bytes) -> None:
    read_url(utf8_of(data))


MOUNTS = (
    "/dev/sda1 / ext4 rw 0 0\nserver:/x /srv/nfs nfs4 rw 0 0\n",
    "a /with\\040space fuse.sshfs\n",
    "a b\n",
    "a /\\777 x\n",
)


@parser(*MOUNTS, tokens=(b"\\040", b"\n", b" ", b"/", b"/srv", b"nfs", b"\\999", b"\\777", b"\xff", b"\0"))  # fmt: skip
def mounts(data: bytes) -> None:
    for text in (text_of(data), data.decode("utf-8", "surrogateescape")):
        file_system(Path("/srv/nfs/with space/a.db"), text)


@parser('a = 1\n[b]\nc = "d"\n', "a=[[[", "a.b.c=1", "a='''", "[a]\n[a]", "a=1979-05-27T07:32:00Z", "a=0x_", "[[a]]\nb={c=1}", b"\xff\xfe",
        refuses=Unreadable, tokens=(b"=", b"[", b"]", b"{", b"'", b'"""', b"\n", b".", b"\\u", b"#", b"1e9", b"inf", b"[" * 99))  # fmt: skip
def settings_file(data: bytes) -> None:
    FILE.write_bytes(data)
    _read_toml(FILE)
