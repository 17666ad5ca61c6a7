"""Names and passwords: hashed, checked, and sent with a request."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import (
    Basic,
    Identity,
    Refused,
    authenticated,
    hash_password,
    hashed_passwords,
    needs_rehash,
    verify_password,
)
from hipflask.security import passwords as module

PASSWORD = "correct horse: battery"
HASHED = hash_password(PASSWORD)
ADA = Identity("ada", roles={"clerk"})


def field(user="ada", password=PASSWORD):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def request_with(value):
    return Flask(__name__).request_class({"QUERY_STRING": "", "HTTP_AUTHORIZATION": value})


def test_a_hash_is_argon2id_with_a_salt_of_its_own():
    assert HASHED.startswith("$argon2id$") and PASSWORD not in HASHED
    assert hash_password(PASSWORD) != HASHED
    assert verify_password(HASHED, PASSWORD) and not verify_password(HASHED, PASSWORD + " ")
    assert not needs_rehash(HASHED)
    assert needs_rehash("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 22)


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_a_password_has_bounds(password):
    with pytest.raises(ValueError, match="1 to 1024"):
        hash_password(password)
    assert not verify_password(HASHED, password)


@pytest.mark.parametrize("hashed", ["", "nonsense", "$argon2id$", "$argon2id$v=19$m=1$x$y"])
def test_what_is_no_hash_lets_nobody_in(hashed):
    assert not verify_password(hashed, PASSWORD)


def test_an_unknown_user_costs_as_much_as_a_known_one(monkeypatch):
    asked = []
    hasher = module._hasher()
    monkeypatch.setattr(
        type(hasher), "verify", lambda self, hashed, given: asked.append(hashed) or True
    )
    check = hashed_passwords({"ada": (HASHED, ADA)})
    assert check("bob", PASSWORD) is None and not verify_password(None, PASSWORD)
    assert len(asked) == 2 and HASHED not in asked


def test_a_right_password_is_remembered_for_a_while_and_a_wrong_one_never(monkeypatch):
    asked = []
    hasher = module._hasher()
    real = type(hasher).verify
    monkeypatch.setattr(type(hasher), "verify", lambda *given: asked.append(1) or real(*given))
    check = hashed_passwords({"ada": (HASHED, ADA), "bob": (hash_password("other"), ADA)})
    assert check("ada", PASSWORD) == check("ada", PASSWORD) == ADA
    assert len(asked) == 1
    assert check("ada", "wrong") is None and check("ada", "wrong") is None
    assert check("bob", PASSWORD) is None
    assert len(asked) == 4
    never = hashed_passwords({"ada": (HASHED, ADA)}, remember_s=0)
    assert never("ada", PASSWORD) == never("ada", PASSWORD) == ADA
    assert len(asked) == 6


def test_what_is_remembered_ends_and_has_a_bound():
    now = [0.0]
    kept = module.Remembered(10, clock=lambda: now[0])
    kept.add("ada", "x")
    assert kept.has("ada", "x") and not kept.has("ad", "ax")
    now[0] = 10.0
    assert not kept.has("ada", "x")
    for number in range(1500):
        kept.add("ada", str(number))
    assert len(kept._until) == 1000 and kept.has("ada", "1499")


@pytest.mark.parametrize("entry", [("plain", ADA), (HASHED, "ada")])
def test_entries_that_are_none_are_refused_without_being_shown(entry):
    with pytest.raises(SetupError, match="Entry 2") as caught:
        hashed_passwords({"ada": (HASHED, ADA), "bob": entry})
    assert "plain" not in str(caught.value)


def test_a_pair_is_read_as_rfc_7617_has_it():
    provider = Basic(lambda user, password: Identity(f"{user}|{password}"))
    assert provider.identify(request_with(field("ada", "a:b"))).name == "ada|a:b"
    assert provider.identify(request_with(field("žofie", "☃"))).name == "žofie|☃"
    assert provider.identify(request_with("basic " + field()[6:])).name == f"ada|{PASSWORD}"
    for other in ("", "Bearer x", "Basics x"):
        assert provider.identify(request_with(other)) is None


@pytest.mark.parametrize(
    "value",
    ["Basic", "Basic !", "Basic YQ==", "Basic OmE=", "Basic /////w==", "Basic " + "A" * 9000]
    + [field("a\n", "b"), field("a", "b\0"), field() + ", " + field()],
)
def test_what_is_no_pair_is_refused(value):
    with pytest.raises(Refused):
        Basic(lambda user, password: ADA).identify(request_with(value))


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_field_is_read_or_refused(value):
    try:
        Basic(lambda user, password: ADA).identify(request_with("Basic " + value))
    except Refused:
        pass


def test_it_guards_a_route_on_every_door():
    app = Flask(__name__)
    app.identities = [Basic(hashed_passwords({"ada": (HASHED, ADA)}), realm="reports")]
    app.access = authenticated

    @app.get("/")
    async def index():
        return "in"

    for door in ("wsgi", "asgi", "rsgi"):
        client = app.test_client(door=door)
        assert client.get("/", headers={"Authorization": field()}).text == "in"
        refused = client.get("/", headers={"Authorization": field("ada", "no")})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="reports", charset="UTF-8"'


def test_a_check_may_be_async():
    app = Flask(__name__)

    async def check(user, password):
        return ADA if password == "x" else None

    app.identities = [Basic(check)]
    app.access = authenticated
    app.add_url_rule("/", view_func=lambda: "in")
    client = app.test_client()
    assert client.get("/", headers={"Authorization": field("ada", "x")}).status_code == 200
    assert client.get("/", headers={"Authorization": field("ada", "y")}).status_code == 401
    assert Basic(check).scheme() == ("basic", {"type": "http", "scheme": "basic"})
