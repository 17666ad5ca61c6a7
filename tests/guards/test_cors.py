"""Which other sites' scripts may read answers."""

from __future__ import annotations

import pytest

from hipflask import Blueprint, Flask
from hipflask.guards import cors
from hipflask.scaffold import SetupError

SHOP = "https://shop.example"
ASKS = {"Origin": SHOP, "Access-Control-Request-Method": "PUT"}


def make_app(**options):
    app = Flask(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")
    cors(api, **{"origins": [SHOP], **options})
    api.add_url_rule("/item", "item", lambda: "item", methods=["GET", "PUT"])

    @api.get("/later")
    async def later():
        return "later"

    app.register_blueprint(api)
    app.add_url_rule("/other", "other", lambda: "other")
    return app


def told(answer):
    prefix = "Access-Control-"
    return {n.removeprefix(prefix): v for n, v in answer.headers if n.startswith(prefix)}


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_an_origin_of_the_list_may_read(door):
    client = make_app(credentials=True, expose=["X-Total"]).test_client(door=door)
    for path in ("/api/item", "/api/later"):
        answer = client.get(path, headers={"Origin": SHOP})
        assert told(answer) == {
            "Allow-Origin": SHOP, "Allow-Credentials": "true", "Expose-Headers": "X-Total"
        }  # fmt: skip
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://shop.example.evil.example", "", "*"]
    + ["http://shop.example", "https://shop.example:8443", "HTTPS://SHOP.EXAMPLE"],
)  # fmt: skip
def test_another_origin_gets_nothing_and_is_never_sent_back(origin):
    client = make_app(credentials=True).test_client()
    answer = client.get("/api/item", headers={"Origin": origin})
    assert told(answer) == {}
    assert answer.headers["Vary"] == "Origin"
    asked = client.options("/api/item", headers={**ASKS, "Origin": origin})
    assert told(asked) == {} and asked.status_code == 204


def test_a_cache_is_told_of_the_origin_without_one_too():
    answer = make_app().test_client().get("/api/item")
    assert told(answer) == {} and answer.headers["Vary"] == "Origin"


def test_a_preflight_is_answered_and_kept():
    answer = make_app(headers=["X-Key"]).test_client().options("/api/item", headers=ASKS)
    assert answer.status_code == 204 and answer.data == b""
    assert told(answer) == {
        "Allow-Origin": SHOP, "Allow-Methods": "GET, HEAD, OPTIONS, PUT",
        "Allow-Headers": "X-Key", "Max-Age": "600",
    }  # fmt: skip
    assert {"Origin", "Access-Control-Request-Method"} <= set(answer.vary)


def test_a_preflight_is_answered_before_anybody_is_asked_who_they_are():
    from hipflask.security import ApiKey, authenticated, hashed_keys

    app = make_app()
    app.identities = [ApiKey(hashed_keys({}))]
    app.access = authenticated
    client = app.test_client()
    assert client.options("/api/item", headers=ASKS).status_code == 204
    refused = client.get("/api/item", headers={"Origin": SHOP})
    assert refused.status_code == 401 and told(refused)["Allow-Origin"] == SHOP


def test_other_routes_and_plain_options_are_left_alone():
    client = make_app().test_client()
    assert told(client.get("/other", headers={"Origin": SHOP})) == {}
    answer = client.options("/api/item")
    assert answer.status_code == 200 and "PUT" in answer.headers["Allow"]


def test_everybody_is_a_star_that_never_goes_with_credentials():
    answer = make_app(origins=["*"]).test_client().get("/api/item", headers={"Origin": SHOP})
    assert told(answer)["Allow-Origin"] == "*"
    with pytest.raises(SetupError, match="act as the visitor"):
        cors(Flask(__name__), origins="*", credentials=True)


@pytest.mark.parametrize("origins", [[], ["*", SHOP], ["shop.example"], ["null"], [SHOP + "/"]])
def test_what_is_no_list_of_origins_is_refused(origins):
    with pytest.raises(SetupError):
        cors(Flask(__name__), origins=origins)


def test_a_view_that_sets_its_own_wins():
    app = Flask(__name__)
    cors(app, origins=[SHOP])
    app.add_url_rule(
        "/", "own", lambda: ("x", {"Access-Control-Allow-Origin": "https://me.example"})
    )
    answer = app.test_client().get("/", headers={"Origin": SHOP})
    assert told(answer) == {"Allow-Origin": "https://me.example"}
