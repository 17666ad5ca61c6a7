"""JSON Web Tokens: whose, for whom, until when; and where the keys come from."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import Bearer, Refused, jwt_check, roles
from hipflask.security.tokens import KeysAway

NOW = 1_800_000_000
RSA = RSAKey.generate_key(2048, {"kid": "one"})
EC = ECKey.generate_key("P-256", {"kid": "two"})
STRANGER = RSAKey.generate_key(2048, {"kid": "one"})
KEYS = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False), {"kty": "new"}]}
CLAIMS = {"iss": "https://id", "aud": "shop", "sub": "ada", "exp": NOW + 60, "roles": ["clerk"]}


def token(key=RSA, algorithm="RS256", header=(), **claims):
    made = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    fields = {"alg": algorithm, "kid": key.kid, **dict(header)}
    return jwt.encode(fields, made, key, algorithms=[algorithm])


def check(keys=KEYS, **given):
    named = {"issuer": "https://id", "audience": "shop", "clock": lambda: NOW, **given}
    return jwt_check(keys, **named)


def test_a_token_of_the_issuer_tells_who_calls():
    known = check()(token())
    assert (known.name, known.roles, known.claims["aud"]) == ("ada", {"clerk"}, "shop")
    assert check()(token(EC, "ES256")).name == "ada"
    assert check().is_quick


def test_names_and_roles_may_stand_elsewhere():
    given = {"realm_access": {"roles": ["a", 1, "b"]}, "email": "ada@example.org"}
    known = check(name="email", roles="realm_access.roles")(token(**given))
    assert (known.name, known.roles) == ("ada@example.org", {"a", "b"})
    assert check(roles="scope")(token(scope="read write")).roles == {"read", "write"}
    dotted = {"https://example.org/roles": ["x"]}
    assert check(roles="https://example.org/roles")(token(**dotted)).roles == {"x"}
    assert check(roles="sub.deep")(token()).roles == set()


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": NOW - 31}, "The token has expired"),
        ({"exp": None}, "claims"),
        ({"exp": "tomorrow"}, "claims"),
        ({"exp": 1e400}, "claims"),
        ({"iss": "https://other"}, "claims"),
        ({"iss": None}, "claims"),
        ({"iss": ["https://id"]}, "claims"),
        ({"aud": "another"}, "claims"),
        ({"aud": None}, "claims"),
        ({"nbf": NOW + 60}, "claims"),
        ({"iat": NOW + 60}, "claims"),
        ({"sub": None}, "names nobody"),
        ({"sub": 7}, "claims"),
        ({"sub": ""}, "names nobody"),
    ],
)
def test_claims_that_are_not_right_are_refused(claims, said):
    with pytest.raises(Refused) as caught:
        check()(token(**claims))
    assert said in caught.value.description


def test_an_audience_may_be_one_of_several_and_the_clock_a_little_off():
    assert check()(token(aud=["other", "shop"])).name == "ada"
    assert check()(token(exp=NOW - 29)).name == "ada"


def _text(part):
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _unsigned(algorithm):
    parts = ({"alg": algorithm, "kid": "one"}, CLAIMS)
    return ".".join(_text(json.dumps(part).encode()) for part in parts) + "."


def _signed_with_the_public_key():
    # The old confusion: an HMAC under the text of the public key.
    text = _unsigned("HS256").rstrip(".")
    digest = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{_text(digest)}"


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "..", "....", _unsigned("none"), _unsigned("RS256"), _unsigned("XX")]
    + [_signed_with_the_public_key(), token(STRANGER), token(header={"kid": "three"})]
    + [token(RSA, "RS512"), token()[:-4] + "AAAA", "." * 100],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_what_no_key_vouches_for_is_refused(text):
    with pytest.raises(Refused):
        check()(text)


@given(st.text(alphabet="aZ09-_.={}", max_size=60))
def test_any_text_is_refused(text):
    with pytest.raises(Refused):
        check()(text)


@pytest.mark.parametrize(
    "given",
    [
        {"algorithms": []},
        {"algorithms": ["none"]},
        {"keys": {}},
        {"keys": {"keys": []}},
        {"keys": {"keys": [{"kty": "RSA"}]}},
        {"keys": "http://id.example.org/jwks"},
        {"keys": "ftp://localhost/jwks"},
    ],
)
def test_what_cannot_be_meant_is_refused_at_set_up(given):
    with pytest.raises(SetupError):
        check(**given)


class _Issuer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        status, data = self.server.answer
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given):
        pass


@pytest.fixture
def issuer():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Issuer)
    server.asked, server.answer = 0, (200, json.dumps(KEYS).encode())
    server.url = f"http://127.0.0.1:{server.server_port}/jwks"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def with_clock(checked, ahead):
    """The check, its key set's clock moved ahead by what the list says."""
    for cell in checked.__closure__:
        if type(cell.cell_contents).__name__ == "Keys":
            cell.cell_contents._clock = lambda: ahead[0]
    return checked


def test_keys_are_fetched_once_and_again_when_they_are_old(issuer):
    ahead = [0.0]
    fetching = with_clock(check(issuer.url), ahead)
    assert not hasattr(fetching, "is_quick") and issuer.asked == 0
    assert fetching(token()).name == fetching(token()).name == "ada"
    assert issuer.asked == 1
    ahead[0] = 601.0
    fetching(token())
    assert issuer.asked == 2


def test_a_key_that_came_later_is_looked_for_and_not_too_often(issuer):
    ahead = [0.0]
    fetching = with_clock(check(issuer.url), ahead)
    newer = RSAKey.generate_key(2048, {"kid": "three"})
    fetching(token())
    for _ in range(5):
        with pytest.raises(Refused):
            fetching(token(newer))
    assert issuer.asked == 1
    issuer.answer = 200, json.dumps({"keys": [newer.as_dict(private=False)]}).encode()
    ahead[0] = 31.0
    assert fetching(token(newer)).name == "ada"
    with pytest.raises(Refused):
        fetching(token())
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "answer", [(500, b""), (200, b"nonsense"), (200, b"{}"), (302, b""), (200, b" " * 300_000)]
)
def test_an_issuer_that_is_away_leaves_the_keys_that_are_known(issuer, answer):
    ahead = [0.0]
    fetching = with_clock(check(issuer.url), ahead)
    fetching(token())
    issuer.answer = answer
    ahead[0] = 601.0
    assert fetching(token()).name == "ada"
    fresh = check(issuer.url)
    with pytest.raises(KeysAway, match="cannot be fetched"):
        fresh(token())


def test_it_is_a_bearers_check():
    app = Flask(__name__)
    app.identities = [Bearer(check(clock=lambda: NOW), token_format="JWT")]

    @app.get("/", access=roles("clerk"))
    async def index():
        return "in"

    for door in ("wsgi", "asgi"):
        client = app.test_client(door=door)
        sent = {"Authorization": f"Bearer {token()}"}
        assert client.get("/", headers=sent).text == "in"
        late = {"Authorization": f"Bearer {token(exp=1)}"}
        assert "has expired" in client.get("/", headers=late).headers["WWW-Authenticate"]
