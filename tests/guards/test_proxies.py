"""Whom to believe about who called."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import BadRequest

from hipflask import Flask, request, websocket
from hipflask.guards import protect, trust_proxies
from hipflask.guards.proxies import Proxies
from hipflask.ops.observing import Observer, observe
from hipflask.scaffold import SetupError
from hipflask.security import ProxyHeader, authenticated, current_identity

DOORS = ("wsgi", "asgi", "rsgi")
PEER = "127.0.0.1"  # of the test client


def make_app(networks=(PEER,), **options):
    app = Flask(__name__)
    trust_proxies(app, networks, **options)

    @app.get("/")
    def index():
        return f"{request.remote_addr} {request.scheme} {request.environ['REMOTE_ADDR']}"

    @app.get("/later")
    async def later():
        return f"{request.remote_addr} {request.scheme} {request.environ['REMOTE_ADDR']}"

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/", "/later"])
def test_a_trusted_peer_is_believed(door, path):
    client = make_app().test_client(door=door)
    fields = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert client.get(path, headers=fields).text == "198.51.100.7 https 198.51.100.7"
    assert client.get(path).text == f"{PEER} http {PEER}"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("first", [True, False])
def test_a_proxy_is_believed_where_requests_are_observed(door, first):
    app = Flask(__name__)
    steps = [lambda: trust_proxies(app, [PEER]), lambda: observe(app, Observer())]
    for step in steps if first else reversed(steps):
        step()
    app.add_url_rule("/", view_func=lambda: request.remote_addr)
    client = app.test_client(door=door)
    assert client.get("/", headers={"X-Forwarded-For": "198.51.100.7"}).text == "198.51.100.7"


@pytest.mark.parametrize("door", DOORS)
def test_another_peer_is_not(door):
    client = make_app(["10.0.0.0/8"]).test_client(door=door)
    fields = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert client.get("/", headers=fields).text == f"{PEER} http {PEER}"


@pytest.mark.parametrize("door", DOORS)
def test_what_is_out_of_form_is_a_400_as_any_other(door):
    app = make_app()
    protect(app)
    client = app.test_client(door=door)
    for fields in (
        {"X-Forwarded-For": "somebody"},
        {"X-Forwarded-For": "<script>"},
        {"X-Forwarded-Proto": "gopher"},
        {"X-Forwarded-For": "1.1.1.1", "Forwarded": "for=2.2.2.2"},
    ):
        answer = client.get("/", headers=fields)
        assert answer.status_code == 400, fields
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/").status_code == 200


def test_the_doors_stay_as_quick():
    app = make_app()
    assert not app.sealed.has_chain


P = Proxies(["10.0.0.0/8", "2001:db8:1::/48"], hops=2)


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),  # what the client claims
        ("198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.3, 10.0.0.2", "10.0.0.3"),  # more hops than there are
        ("10.0.0.9", "10.0.0.9"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("198.51.100.7, 2001:db8:1::9", "198.51.100.7"),
        (" , 198.51.100.7 , ", "198.51.100.7"),
        ("198.51.100.7, ::ffff:10.0.0.2", "198.51.100.7"),
        ("unknown", "10.0.0.1"),
        ("_hidden", "10.0.0.1"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy(chain, found):
    assert P.client("10.0.0.1", {"x-forwarded-for": chain}) == (found, None)


def test_the_scheme_is_the_nearest_proxys():
    one = Proxies(["10.0.0.0/8"])
    assert one.client("10.0.0.1", {"x-forwarded-proto": "https, http"}) == ("10.0.0.1", "http")
    with pytest.raises(BadRequest):
        P.client("10.0.0.1", {"x-forwarded-proto": "https, http"})
    assert P.client("10.0.0.1", {"x-forwarded-proto": "gopher, HTTPS, https"}) == (
        "10.0.0.1",
        "https",
    )
    with pytest.raises(BadRequest):
        P.client("10.0.0.1", {"x-forwarded-for": ",".join(["1.1.1.1"] * 33)})


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("for=198.51.100.7;proto=https", ("198.51.100.7", "https")),
        ('For="[2001:db8::7]:4711"; Proto=http; by=10.0.0.1', ("2001:db8::7", "http")),
        ("for=6.6.6.6, for=198.51.100.7;proto=https", ("198.51.100.7", "https")),
        ("for=unknown", ("10.0.0.1", None)),
    ],
)
def test_forwarded_is_read_where_it_is_asked_for(field, found):
    proxies = Proxies(["10.0.0.0/8"], forwarded=True)
    assert proxies.client("10.0.0.1", {"forwarded": field}) == found
    assert Proxies(["10.0.0.0/8"]).client("10.0.0.1", {"forwarded": field}) is None


@pytest.mark.parametrize("field", ["for", "for=", "=x", "for=a b", 'for="', "for=1.1.1.1;;x"])
def test_forwarded_out_of_form_is_a_400(field):
    with pytest.raises(BadRequest):
        Proxies(["10.0.0.0/8"], forwarded=True).client("10.0.0.1", {"forwarded": field})


def test_unix_sockets_are_named_as_such():
    fields = {"x-forwarded-for": "198.51.100.7"}
    assert Proxies(["unix"]).client(None, fields) == ("198.51.100.7", None)
    assert Proxies(["unix"]).client("", fields) == ("198.51.100.7", None)
    assert Proxies(["10.0.0.0/8"]).client(None, fields) is None
    assert Proxies(["unix"]).client("10.0.0.1", fields) is None


@pytest.mark.parametrize(
    "networks", [[], ["0.0.0.0/0"], ["::/0"], ["proxy"], ["10.0.0.0/33"], ["*"]]
)
def test_networks_that_are_none_or_everybody_are_refused(networks):
    with pytest.raises(SetupError):
        trust_proxies(Flask(__name__), networks)


def test_setup_is_refused_where_it_would_not_hold():
    app = make_app()
    with pytest.raises(SetupError, match="before"):
        trust_proxies(app, ["10.0.0.0/8"])
    with pytest.raises(SetupError):
        trust_proxies(Flask(__name__), ["10.0.0.0/8"], hops=0)
    other = Flask(__name__)
    other.wsgi_app = lambda environ, start: None
    with pytest.raises(SetupError, match="middleware"):
        trust_proxies(other, ["10.0.0.0/8"])


@pytest.mark.parametrize("door", DOORS)
def test_middleware_put_around_it_later_still_gets_the_client(door):
    app = make_app()
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)
    client = app.test_client(door=door)
    assert client.get("/", headers={"X-Forwarded-For": "198.51.100.7"}).text.startswith("198.51.")


@pytest.mark.parametrize("door", DOORS)
def test_a_proxy_that_logs_people_in_is_known_by_the_connection(door):
    app = Flask(__name__)
    trust_proxies(app, [PEER])
    app.identities = [ProxyHeader("X-User", peers=[PEER])]
    app.access = authenticated
    app.add_url_rule("/", "who", lambda: current_identity().name)
    client = app.test_client(door=door)
    fields = {"X-User": "ada", "X-Forwarded-For": "198.51.100.7"}
    assert client.get("/", headers=fields).text == "ada"


@pytest.mark.parametrize("door", DOORS)
def test_https_at_the_proxy_brings_hsts(door):
    app = make_app()
    protect(app)
    answer = app.test_client(door=door).get("/", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" in answer.headers


def test_a_websocket_knows_its_client_too():
    app = make_app()

    @app.websocket("/ws")
    async def ws():
        await websocket.send(websocket.remote_addr or "")

    client = app.test_client()
    with client.websocket("/ws", headers={"X-Forwarded-For": "198.51.100.7"}) as connection:
        assert connection.receive() == "198.51.100.7"
