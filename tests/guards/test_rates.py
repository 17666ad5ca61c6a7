"""How often one caller may call."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("limits")

from hipflask import Flask
from hipflask.guards import limit_rates, protect, rate_limit, trust_proxies
from hipflask.guards.counters import LimitsCounters, MemoryCounters, open_counters
from hipflask.guards.rates import Rate
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, authenticated, hashed_keys, new_key

DOORS = ("wsgi", "asgi", "rsgi")


@pytest.fixture(params=["memory", "sqlite", "limits"])
def store(request, tmp_path):
    if request.param == "memory":
        yield "memory://"
    elif request.param == "limits":
        yield LimitsCounters("memory://")
    else:
        pytest.importorskip("sqlalchemy")
        counters = open_counters(f"sqlite:///{tmp_path}/rates.db")
        yield counters
        counters.close()


def make_app(store="memory://", **config):
    app = Flask(__name__)
    app.config.update(RATE_LIMIT_STORE=store, **config)

    @app.get("/plain")
    @rate_limit("2/minute")
    def plain():
        return "in"

    @app.get("/later")
    @rate_limit("2/minute")
    async def later():
        return "in"

    @app.get("/free")
    def free():
        return "in"

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/plain", "/later"])
def test_past_the_rate_is_a_429_that_says_when(store, door, path):
    client = make_app(store).test_client(door=door)
    name = path[1:]
    for left in (1, 0):
        answer = client.get(path)
        assert answer.text == "in"
        assert answer.headers["RateLimit-Policy"] == f'"{name}";q=2;w=60'
        assert answer.headers["RateLimit"].startswith(f'"{name}";r={left};t=')
    answer = client.get(path)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit"].startswith(f'"{name}";r=0;t=')
    assert client.get("/free").text == "in"


def test_a_typed_view_answers_with_problem_details():
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True

    @app.get("/typed")
    @rate_limit("1/hour")
    def typed(n: int = 0) -> dict[str, int]:
        return {"n": n}

    client = app.test_client()
    assert client.get("/typed?n=3").get_json() == {"n": 3}
    answer = client.get("/typed?n=3")
    assert answer.status_code == 429 and answer.mimetype == "application/problem+json"
    assert "Retry-After" in answer.headers and "RateLimit" in answer.headers


@pytest.mark.parametrize("door", DOORS)
def test_the_application_has_a_rate_for_all_of_it(door):
    app = make_app(RATE_LIMIT="3/minute")
    limit_rates(app)
    client = app.test_client(door=door)
    assert [client.get("/free").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.get("/nothing").status_code == 429


def test_both_rates_are_told():
    app = make_app()
    limit_rates(app, "9/minute")
    told = app.test_client().get("/plain").headers.getlist("RateLimit-Policy")
    assert sorted(told) == ['"all";q=9;w=60', '"plain";q=2;w=60']


def test_without_a_rate_nothing_is_there():
    app = make_app()
    limit_rates(app)
    assert app.before_request_funcs[None] == []


def test_clients_are_told_apart_by_the_address_that_proxies_tell():
    app = Flask(__name__)
    trust_proxies(app, ["127.0.0.1"])
    app.add_url_rule("/", "index", rate_limit("1/minute")(lambda: "in"))
    client = app.test_client()

    def ask(address):
        return client.get("/", headers={"X-Forwarded-For": address}).status_code

    assert ask("198.51.100.1") == 200
    assert ask("6.6.6.6, 198.51.100.1") == 429  # the left end is the client's own
    assert ask("198.51.100.2") == 200
    # Of IPv6 a network counts, as its addresses cost nothing.
    assert ask("2001:db8:0:1::1") == 200
    assert ask("2001:db8:0:1:ffff::9") == 429
    assert ask("2001:db8:0:2::1") == 200
    assert ask("::ffff:198.51.100.9") == 200
    assert ask("198.51.100.9") == 429


def test_callers_are_told_apart_by_identity():
    app = Flask(__name__)
    keys = {name: new_key() for name in ("ada", "bob")}
    from hipflask.security import Identity, hash_key

    app.identities = [ApiKey(hashed_keys({hash_key(k): Identity(n) for n, k in keys.items()}))]

    @app.get("/", access=authenticated)
    @rate_limit("1/minute", by="identity")
    def index():
        return "in"

    client = app.test_client()
    provider = app.identities[0]
    field = getattr(provider, "header", "X-API-Key")
    ask = lambda name: client.get("/", headers={field: keys[name]}).status_code  # noqa: E731
    assert [ask("ada"), ask("bob"), ask("ada"), ask("bob")] == [200, 200, 429, 429]


def test_views_of_one_name_share_a_count_and_a_function_may_tell_callers_apart():
    app = Flask(__name__)
    for name in ("a", "b"):
        limited = rate_limit("1/minute", name="both", by=lambda request: request.args["who"])
        app.add_url_rule(f"/{name}", name, limited(lambda: "in"))
    client = app.test_client()
    statuses = [client.get(url).status_code for url in ("/a?who=x", "/b?who=x", "/b?who=\u00fc")]
    assert statuses == [200, 429, 200]


class Broken:
    is_quick = True

    def hit(self, key, window_s):
        raise ConnectionError("no store at redis://:secret@host")


def test_without_a_store_pages_go_on_and_a_login_does_not(caplog):
    app = make_app(Broken())

    @app.post("/login")
    @rate_limit("5/minute", on_store_failure="refuse")
    def login():
        return "in"

    client = app.test_client()
    with caplog.at_level(logging.ERROR):
        assert [client.get("/plain").status_code for _ in range(5)] == [200] * 5
        answer = client.post("/login")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert len([r for r in caplog.records if "cannot be counted" in r.getMessage()]) == 1
    closed = make_app(Broken(), RATE_LIMIT_ON_STORE_FAILURE="refuse").test_client()
    assert closed.get("/plain").status_code == 503


def test_a_window_ends_by_the_clock_that_never_goes_back():
    now = [0.0]
    counters = MemoryCounters(lambda: now[0])
    assert counters.hit("a", 60) == (1, 60)
    now[0] = 59.0
    assert counters.hit("a", 60) == (2, 1)
    assert counters.hit("b", 60) == (1, 60)
    now[0] = 60.0
    assert counters.hit("a", 60) == (1, 60)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("hipflask.guards.counters.KEPT", 100)
    counters = MemoryCounters()
    for number in range(1000):
        counters.hit(str(number), 60)
    assert len(counters._known) <= 100


@pytest.mark.parametrize("url", ["nothing://x", "redis+x://", "sqlite://", ""])
def test_a_store_that_is_none_is_told(url):
    with pytest.raises(SetupError):
        open_counters(url)


def test_a_password_in_the_url_is_not_told():
    with pytest.raises(SetupError) as caught:
        open_counters("nothing://user:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "20", "20/fortnight", "-1/minute", "a/minute", "20/minute; x"]
    + ["1/second; 5/minute", "0/minute"],
)
def test_a_rate_that_is_none_is_told(text):
    with pytest.raises(SetupError, match="is no rate"):
        rate_limit(text)


@pytest.mark.parametrize(
    "options", [{"by": "name"}, {"by": 7}, {"name": 'a"b'}, {"name": "a\n"}, {"failing": "maybe"}]
)
def test_options_are_checked(options):
    with pytest.raises(SetupError):
        Rate("1/minute", **options)


def test_protect_takes_the_rate_of_the_configuration():
    app = make_app(RATE_LIMIT="1/minute")
    protect(app)
    client = app.test_client()
    assert [client.get("/free").status_code for _ in range(2)] == [200, 429]
