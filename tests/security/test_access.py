"""Access end to end: what is declared, what that means for a request, through every door."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from hipflask import Blueprint, Flask, current_app, request, websocket
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    ApiKey,
    Bearer,
    Identity,
    Refused,
    access_of,
    allow,
    authenticated,
    current_identity,
    current_identity_async,
    guard_of,
    hash_key,
    hashed_keys,
    needs_loop,
    public,
    roles,
    schemes_of,
    security_of,
)
from hipflask.views import MethodView, View

ADMIN_KEY = "admin_" + "a" * 43
CLERK_KEY = "clerk_" + "c" * 43
KEYS = {
    hash_key(ADMIN_KEY): Identity("ada", roles={"admin"}),
    hash_key(CLERK_KEY): Identity("cy", roles={"clerk"}),
}
ADMIN = {"X-API-Key": ADMIN_KEY}
CLERK = {"X-API-Key": CLERK_KEY}
WRONG = {"X-API-Key": "k" * 40}
# None is nobody's.
EVERYBODY = {"nobody": {}, "wrong": WRONG, "clerk": CLERK, "admin": ADMIN}


def check_token(token):
    return Identity("tom", roles={"clerk"}) if token == "tom" else None


async def check_token_async(token):
    await asyncio.sleep(0)
    return check_token(token)


PROVIDERS = {
    "quick": lambda: [ApiKey(hashed_keys(KEYS))],
    "plain": lambda: [ApiKey(hashed_keys(KEYS)), Bearer(check_token)],
    "async": lambda: [ApiKey(hashed_keys(KEYS)), Bearer(check_token_async)],
}


def make_app(*providers):
    app = Flask(__name__)
    app.testing = True
    app.identities = providers or [ApiKey(hashed_keys(KEYS))]
    return app


def statuses(client, path, method="GET"):
    """The status for nobody, a wrong key, a clerk and an admin."""
    return [client.open(path, method=method, headers=who).status_code for who in EVERYBODY.values()]


def add_views(app, rule, stance):
    """A plain and an async view at `/plain...` and `/async...`."""

    def plain():
        return current_identity().name

    async def awaited():
        assert await current_identity_async() is current_identity()
        return current_identity().name

    app.add_url_rule(f"/plain{rule}", f"plain{rule}", plain, access=stance)
    app.add_url_rule(f"/async{rule}", f"async{rule}", awaited, access=stance)


# --- what a request gets --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("providers", PROVIDERS)
@pytest.mark.parametrize("door", DOORS)
def test_who_gets_in(door, providers, kind):
    async def is_ada(identity):
        await asyncio.sleep(0)
        return identity.name == "ada"

    def sent_by(identity, request):
        return request.args.get("who") == identity.name

    app = make_app(*PROVIDERS[providers]())
    add_views(app, "/authenticated", authenticated)
    add_views(app, "/admin", roles("admin"))
    add_views(app, "/either", roles("admin", "clerk"))
    add_views(app, "/async-predicate", allow(is_ada))
    add_views(app, "/plain-predicate", allow(sent_by))
    add_views(app, "/mixed", roles("clerk") & allow(sent_by) | allow(is_ada))
    client = app.test_client(door=door)
    assert statuses(client, f"/{kind}/authenticated") == [401, 401, 200, 200]
    assert statuses(client, f"/{kind}/admin") == [401, 401, 403, 200]
    assert statuses(client, f"/{kind}/either") == [401, 401, 200, 200]
    assert statuses(client, f"/{kind}/async-predicate") == [401, 401, 403, 200]
    assert statuses(client, f"/{kind}/plain-predicate?who=cy") == [401, 401, 200, 403]
    assert statuses(client, f"/{kind}/mixed?who=cy") == [401, 401, 200, 200]
    assert statuses(client, f"/{kind}/mixed") == [401, 401, 403, 200]
    assert client.get(f"/{kind}/admin", headers=ADMIN).text == "ada"
    if providers != "quick":
        tom = {"Authorization": "Bearer tom"}
        assert client.get(f"/{kind}/authenticated", headers=tom).text == "tom"
        assert client.get(f"/{kind}/admin", headers=tom).status_code == 403


@pytest.mark.parametrize("door", DOORS)
def test_the_answers_say_which_credentials_are_wanted(door):
    app = make_app(ApiKey(hashed_keys(KEYS)), Bearer(check_token, realm="shop"))
    add_views(app, "/x", roles("admin"))
    client = app.test_client(door=door)

    def challenges(**headers):
        answer = client.get(
            "/plain/x", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        return answer.status_code, answer.headers.getlist("WWW-Authenticate")

    key, bearer = 'ApiKey realm="api", name="X-API-Key"', 'Bearer realm="shop"'
    assert challenges() == (401, [key, bearer])
    assert challenges(X_API_Key="x" * 30) == (401, [f'{key}, error="invalid_token"', bearer])
    assert challenges(Authorization="Bearer no") == (401, [key, f'{bearer}, error="invalid_token"'])
    assert challenges(Authorization="Basic YTpi") == (401, [key, bearer])
    assert challenges(Authorization="Bearer tom") == (
        403,
        [f'{bearer}, error="insufficient_scope"'],
    )
    assert challenges(**ADMIN) == (200, [])


def test_the_answers_are_pages_by_default_and_handlers_take_them():
    app = make_app()
    add_views(app, "/x", roles("admin"))
    client = app.test_client()
    answer = client.get("/plain/x")
    assert answer.mimetype == "text/html"
    assert "Credentials are missing" in answer.text
    assert "do not allow this" in client.get("/plain/x", headers=CLERK).text

    other = make_app()
    add_views(other, "/x", roles("admin"))
    other.register_error_handler(401, lambda error: ({"please": "log in"}, 401))
    other.register_error_handler(403, lambda error: ("no", 403, error.get_headers()))
    client = other.test_client()
    assert client.get("/plain/x").json == {"please": "log in"}
    answer = client.get("/plain/x", headers=CLERK)
    assert answer.text == "no"
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


def test_a_refusal_may_say_why():
    def check(token):
        raise Refused("The token has expired")

    app = make_app(Bearer(check))
    add_views(app, "/x", authenticated)
    answer = app.test_client().get("/plain/x", headers={"Authorization": "Bearer t"})
    assert 'error_description="The token has expired"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("providers", PROVIDERS)
@pytest.mark.parametrize("door", DOORS)
def test_another_provider_may_know_what_one_refuses(door, providers):
    app = make_app(Bearer(check_token, name="first"), *PROVIDERS[providers]())
    add_views(app, "/x", authenticated)
    client = app.test_client(door=door)
    headers = {**ADMIN, "Authorization": "Bearer unknown"}
    assert client.get("/plain/x", headers=headers).text == "ada"
    assert client.get("/async/x", headers=headers).text == "ada"


@pytest.mark.parametrize("door", DOORS)
def test_options_are_open_and_head_is_as_get(door):
    app = make_app()
    add_views(app, "/x", roles("admin"))
    client = app.test_client(door=door)
    for path in ("/plain/x", "/async/x"):
        answer = client.options(path)
        assert (answer.status_code, set(answer.allow)) == (200, {"GET", "HEAD", "OPTIONS"})
        assert statuses(client, path, "HEAD") == [401, 401, 403, 200]
        assert client.post(path).status_code == 405


def test_an_options_view_of_ones_own_is_guarded():
    app = make_app()
    app.add_url_rule(
        "/x", view_func=lambda: "mine", endpoint="x", methods=["OPTIONS"], access=authenticated
    )
    assert app.test_client().options("/x").status_code == 401


@pytest.mark.parametrize("door", DOORS)
def test_the_guard_runs_after_what_comes_before_and_before_the_body_is_parsed(door):
    app = make_app()
    told = []

    @app.before_request
    def before():
        told.append("before")
        if "stop" in request.args:
            return "stopped"

    @app.after_request
    def after(response):
        told.append(response.status_code)
        return response

    @app.post("/x", access=authenticated)
    def view():
        told.append("view")
        return request.json

    client = app.test_client(door=door)
    assert client.post("/x", data="{", content_type="application/json").status_code == 401
    assert client.post("/x?stop=1").text == "stopped"
    assert client.post("/x", json=[1], headers=ADMIN).json == [1]
    assert told == ["before", 401, "before", 200, "before", "view", 200]


@pytest.mark.parametrize("door", DOORS)
def test_each_request_is_asked_about_once(door):
    asked = []

    def check(token):
        asked.append(token)
        return check_token(token)

    app = make_app(Bearer(check))
    app.before_request(lambda: None if current_identity() else None)
    app.add_url_rule("/x", "x", lambda: current_identity().name, access=roles("clerk"))
    client = app.test_client(door=door)
    tom = {"Authorization": "Bearer tom"}
    assert client.get("/x", headers=tom).text == "tom"
    assert client.get("/x", headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get("/x", headers=tom).text == "tom"
    assert asked == ["tom", "x", "tom"]


HOSTILE = [
    b"\xff" * 100,
    b"\x01\x02",
    b"Bearer " + b"\xff" * 1000,
    b"Bearer " + b"a" * 65536,
    b"Bearer" + b" " * 4000,
    b"Bearer a,Bearer b",
    b",,,,",
    b'Digest username="\\',
    b"Basic \xff\xfe",
    b"Bearer \xc3\xa4",
]


@pytest.mark.parametrize("field", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
@pytest.mark.parametrize("door", DOORS)
def test_hostile_fields_are_401(door, field):
    app = make_app(ApiKey(hashed_keys(KEYS)), Bearer(check_token))
    app.testing = False
    add_views(app, "/x", authenticated)
    client = app.test_client(door=door)
    text = field.decode("latin-1")
    for headers in (
        [("Authorization", text)],
        [("X-API-Key", text)],
        [("Authorization", text), ("Authorization", "Bearer tom")],
    ):
        for path in ("/plain/x", "/async/x"):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401
            assert len(str(answer.headers) + answer.text) < 2000


def test_credentials_are_in_no_log_and_no_answer(caplog):
    def broken(token):
        raise RuntimeError("the database is down")

    app = make_app(ApiKey(hashed_keys(KEYS)), Bearer(broken))
    app.testing = False
    add_views(app, "/x", roles("admin"))
    secret = "a-secret-token-of-somebody"
    with caplog.at_level(logging.DEBUG):
        client = app.test_client()
        answers = [
            client.get("/plain/x", headers={"Authorization": f"Bearer {secret}"}),
            client.get("/plain/x", headers={"X-API-Key": secret}),
            client.get("/plain/x", headers=CLERK),
        ]
    assert [answer.status_code for answer in answers] == [500, 401, 403]
    told = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert secret not in told and CLERK_KEY not in told
    assert "the database is down" in caplog.text


# --- where a stance is declared -------------------------------------------------------------


def test_the_innermost_declaration_counts():
    app = make_app()
    app.access = authenticated
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    free = Blueprint("free", __name__, url_prefix="/free")
    outer.access = roles("admin")
    free.access = public
    for scaffold in (app, outer, inner, free):
        scaffold.add_url_rule("/own", "own", lambda: "own", access=roles("clerk"))
        scaffold.add_url_rule("/none", "none", lambda: "none")
    outer.register_blueprint(inner)
    outer.register_blueprint(free)
    app.register_blueprint(outer)
    client = app.test_client()
    assert statuses(client, "/none") == [401, 401, 200, 200]
    assert statuses(client, "/outer/none") == [401, 401, 403, 200]
    assert statuses(client, "/outer/inner/none") == [401, 401, 403, 200]
    assert statuses(client, "/outer/free/none") == [200, 200, 200, 200]
    for path in ("/own", "/outer/own", "/outer/inner/own", "/outer/free/own"):
        assert statuses(client, path) == [401, 401, 200, 403]


def test_nothing_declared_is_open_without_providers():
    app = Flask(__name__)
    app.add_url_rule("/", "x", lambda: "open")
    assert statuses(app.test_client(), "/") == [200, 200, 200, 200]
    assert access_of(app, next(app.url_map.iter_rules("x")), "x") is None


def test_nothing_declared_is_refused_with_providers():
    app = make_app()

    async def talk():
        pass

    class Orders(MethodView):
        def get(self):
            return "x"

        def post(self):
            return "x"

    app.add_url_rule("/open", "open", lambda: "x", access=public)
    app.add_url_rule("/x/<int:n>", "x", make_app)
    app.add_url_rule("/orders", view_func=Orders.as_view("orders"), access={"GET": public})
    app.add_url_rule("/moved", "moved", redirect_to="/open")
    app.websocket("/talk")(talk)
    with pytest.raises(SetupError) as caught:
        app.test_client().get("/open")
    text = str(caught.value)
    assert "GET /x/<int:n>: make_app (" in text and "test_access.py:" in text
    assert "POST /orders: " in text and "WebSocket /talk: " in text
    assert "static" not in text and " /open:" not in text and "/moved" not in text
    app.access = authenticated
    assert app.test_client().get("/open").status_code == 200


def test_of_many_undeclared_routes_ten_are_named():
    app = make_app()
    for number in range(13):
        app.add_url_rule(f"/{number}", f"view{number}", lambda: "x")
    with pytest.raises(SetupError, match=r"\.\.\. and 3 more"):
        app.test_client().get("/0")


def test_two_rules_of_one_view_may_differ():
    app = make_app()

    @app.get("/a", access=public)
    @app.get("/b", access=roles("admin"))
    def view():
        return "seen"

    client = app.test_client()
    assert statuses(client, "/a") == [200] * 4
    assert statuses(client, "/b") == [401, 401, 403, 200]


@pytest.mark.parametrize("base", [View, MethodView])
def test_a_view_class_may_declare_it(base):
    app = make_app()
    app.access = public

    class Orders(base):
        access = roles("admin")

        def dispatch_request(self):
            return "answered"

    app.add_url_rule("/class", view_func=Orders.as_view("a"))
    app.add_url_rule("/route", view_func=Orders.as_view("b"), access=authenticated)
    client = app.test_client()
    assert statuses(client, "/class") == [401, 401, 403, 200]
    assert statuses(client, "/route") == [401, 401, 200, 200]


def test_a_stance_for_each_method_leaves_the_others_to_what_is_around():
    app = make_app()
    app.access = authenticated

    class Orders(MethodView):
        access = {"get": public, "POST": roles("admin")}

        def get(self):
            return "got"

        def post(self):
            return "posted"

        def put(self):
            return "put"

    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    client = app.test_client()
    assert statuses(client, "/orders") == [200] * 4
    assert statuses(client, "/orders", "HEAD") == [200] * 4
    assert statuses(client, "/orders", "POST") == [401, 401, 403, 200]
    assert statuses(client, "/orders", "PUT") == [401, 401, 200, 200]
    rule = next(app.url_map.iter_rules("orders"))
    assert access_of(app, rule, "orders", "POST") == roles("admin")
    assert access_of(app, rule, "orders", "PUT") == authenticated


@pytest.mark.parametrize("door", DOORS)
def test_a_route_may_have_a_stance_for_each_method(door):
    app = make_app()
    app.access = public

    async def view():
        return request.method

    stances = {"POST": roles("admin")}
    app.add_url_rule("/x", "x", view, methods=["GET", "POST"], access=stances)
    client = app.test_client(door=door)
    assert statuses(client, "/x") == [200] * 4
    assert statuses(client, "/x", "POST") == [401, 401, 403, 200]


def test_methods_that_are_all_open_need_no_provider():
    app = Flask(__name__)
    app.add_url_rule("/x", "x", lambda: "open", access={"GET": public})
    assert app.test_client().get("/x").text == "open"


def test_static_files_are_public(tmp_path):
    (tmp_path / "style.css").write_text("body {}")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    app.identities = [ApiKey(hashed_keys(KEYS))]
    app.access = authenticated
    admin = Blueprint("admin", __name__, static_folder=str(tmp_path), url_prefix="/admin")
    admin.static_url_path = "/files"
    admin.access = roles("admin")
    app.register_blueprint(admin)
    client = app.test_client()
    for path in ("/static/style.css", "/admin/files/style.css"):
        assert client.get(path, buffered=True).text == "body {}"
    rule = next(app.url_map.iter_rules("static"))
    assert access_of(app, rule, "static") == public


def test_a_view_of_ones_own_named_static_is_not_public():
    app = Flask(__name__, static_folder=None)
    app.identities = [ApiKey(hashed_keys(KEYS))]
    app.access = authenticated
    app.add_url_rule("/static/x", "static", lambda: "mine")
    assert app.test_client().get("/static/x").status_code == 401


def test_an_added_rule_follows_what_is_around():
    from werkzeug.routing import Rule

    app = make_app()
    app.access = authenticated
    app.url_map.add(Rule("/added", endpoint="added"))
    app.view_functions["added"] = lambda: "added"
    assert statuses(app.test_client(), "/added") == [401, 401, 200, 200]


def test_what_is_declared_later_counts_from_then_on():
    app = make_app()
    app.access = public
    admin = Blueprint("admin", __name__)
    admin.add_url_rule("/x", "x", lambda: "x")
    app.register_blueprint(admin)
    client = app.test_client()
    assert statuses(client, "/x") == [200] * 4
    app.access = authenticated
    assert statuses(client, "/x") == [401, 401, 200, 200]
    admin.access = roles("admin")
    assert statuses(client, "/x") == [401, 401, 403, 200]
    app.identities.pop()
    app.identities.append(Bearer(check_token))
    assert statuses(client, "/x") == [401, 401, 401, 401]
    app.identities = [ApiKey(hashed_keys({hash_key(CLERK_KEY): Identity("x", roles={"admin"})}))]
    assert statuses(client, "/x") == [401, 401, 200, 401]
    del admin.access
    app.identities = []
    del app.access
    assert statuses(client, "/x") == [200] * 4


def test_a_method_replaced_on_the_application_does_not_bypass_the_guard():
    class Own(Flask):
        def dispatch_request(self):
            return current_app.ensure_sync(self.view_functions[request.endpoint])(
                **request.view_args
            )

    app = Own(__name__)
    app.identities = [ApiKey(hashed_keys(KEYS))]
    add_views(app, "/x", roles("admin"))
    client = app.test_client()
    assert statuses(client, "/plain/x") == [401, 401, 403, 200]


# --- what cannot be meant -------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["admin", True, roles, ["admin"], {"GET": "admin"}])
def test_a_route_with_no_stance_is_refused_where_it_is_declared(wrong):
    app = make_app()
    with pytest.raises(SetupError, match="access of the route '/x'"):
        app.get("/x", access=wrong)(lambda: "x")


@pytest.mark.parametrize("place", ["app", "blueprint", "class"])
def test_other_places_with_no_stance_are_refused_before_a_request(place):
    app = make_app()
    blueprint = Blueprint("shop", __name__)

    class Orders(View):
        access = "admin" if place == "class" else None

        def dispatch_request(self):
            return "x"

    blueprint.add_url_rule("/x", view_func=Orders.as_view("x"))
    app.register_blueprint(blueprint)
    if place == "app":
        app.access = "admin"
    elif place == "blueprint":
        blueprint.access = "admin"
    where = {"app": "the application", "blueprint": "the blueprint 'shop'", "class": "Orders"}
    with pytest.raises(SetupError, match=f"{where[place]} is 'admin'"):
        _ = app.sealed


def test_a_registration_with_access_is_refused():
    with pytest.raises(SetupError, match="attribute 'access'"):
        Flask(__name__).register_blueprint(Blueprint("a", __name__), access=public)
    outer = Blueprint("outer", __name__)
    outer.register_blueprint(Blueprint("a", __name__), access=public)
    with pytest.raises(SetupError, match="attribute 'access'"):
        Flask(__name__).register_blueprint(outer)


def test_a_stance_without_providers_is_refused():
    app = Flask(__name__)
    app.add_url_rule("/x", "x", lambda: "x", access=roles("admin"))
    with pytest.raises(SetupError, match=r"roles\('admin'\).*nothing tells who calls"):
        _ = app.sealed


@pytest.mark.parametrize(
    ("providers", "words"),
    [
        (lambda: [ApiKey], "is no provider"),
        (lambda: ["key"], "lacks name, identify, challenge, scheme"),
        (lambda: [ApiKey(check_token), ApiKey(check_token)], "are named 'api_key'"),
    ],
)
def test_providers_that_are_none_are_refused(providers, words):
    app = make_app(*providers())
    app.add_url_rule("/x", "x", lambda: "x", access=authenticated)
    with pytest.raises(SetupError, match=words):
        _ = app.sealed


@pytest.mark.parametrize("wrong", [True, "ada", {"name": "ada"}])
def test_a_provider_that_gives_something_else_lets_nobody_in(wrong):
    app = make_app(Bearer(lambda token: wrong))
    add_views(app, "/x", authenticated)
    with pytest.raises(TypeError, match="an Identity, None or Refused"):
        app.test_client().get("/plain/x", headers={"Authorization": "Bearer x"})


# --- what others are told -------------------------------------------------------------------


def test_guards_are_none_where_nothing_is_asked():
    app = make_app()
    assert guard_of(app, None) == guard_of(app, public) == (None, None)
    assert all(guard_of(app, authenticated))


def test_needs_loop_tells_what_is_at_home_on_the_loop():
    async def awaited(identity):
        return True

    for identities, stance, expected in (
        ([ApiKey(hashed_keys(KEYS))], roles("a"), False),
        ([Bearer(check_token)], roles("a"), False),
        ([Bearer(check_token)], roles("a") & allow(awaited), True),
        ([Bearer(check_token_async)], roles("a"), True),
        ([Bearer(check_token_async)], public, False),
        ([Bearer(check_token_async)], None, False),
    ):
        assert needs_loop(make_app(*identities), stance) is expected
    app = make_app()
    app.add_url_rule("/", "x", access={"POST": allow(awaited)})
    assert needs_loop(app, access_of(app, next(app.url_map.iter_rules("x")), "x"))


def test_a_document_is_told_schemes_and_requirements():
    app = make_app(ApiKey(hashed_keys(KEYS)), Bearer(check_token))
    assert list(schemes_of(app)) == ["api_key", "bearer"]
    assert security_of(app, None) == security_of(app, public) == []
    assert security_of(app, authenticated) == [{"api_key": []}, {"bearer": []}]
    assert security_of(app, roles("b") & roles("a")) == [
        {"api_key": ["a", "b"]},
        {"bearer": ["a", "b"]},
    ]


# --- where plain and async code runs --------------------------------------------------------


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_what_may_wait_does_not_run_on_the_event_loop(door):
    threads = {}

    def check(token):
        threads["check"] = threading.current_thread().name
        return check_token(token)

    def predicate(identity):
        threads["predicate"] = threading.current_thread().name
        return True

    app = make_app(ApiKey(hashed_keys(KEYS)), Bearer(check))

    @app.get("/x", access=roles("clerk") & allow(predicate))
    async def view():
        threads["view"] = threading.current_thread().name
        return current_identity().name

    answer = app.test_client(door=door).get("/x", headers={"Authorization": "Bearer tom"})
    assert answer.text == "tom"
    assert threads["check"] == threads["predicate"] == "hipflask-pool"
    assert threads["view"] != "hipflask-pool"


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_async_checks_share_the_servers_loop(door, kind):
    loops = []

    async def check(token):
        loops.append(asyncio.get_running_loop())
        return check_token(token)

    app = make_app(Bearer(check))
    add_views(app, "/x", authenticated)

    @app.get("/loop", access=public)
    async def loop():
        loops.append(asyncio.get_running_loop())
        return ""

    client = app.test_client(door=door)
    assert client.get("/loop").text == ""
    assert client.get(f"/{kind}/x", headers={"Authorization": "Bearer tom"}).text == "tom"
    assert loops[0] is loops[1]


# --- WebSockets -----------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_websockets_are_guarded_too(door):
    app = make_app()
    app.access = roles("admin")

    @app.websocket("/talk")
    async def talk():
        await websocket.send(current_identity().name)

    @app.websocket("/open", access=public)
    async def free():
        await websocket.send("open")

    client = app.test_client(door=door)
    with client.websocket("/talk", headers=ADMIN) as socket:
        assert socket.receive() == "ada"
    with client.websocket("/open") as socket:
        assert socket.receive() == "open"
    for headers, status in (({}, 401), (WRONG, 401), (CLERK, 403)):
        with pytest.raises(Exception) as caught, client.websocket("/talk", headers=headers):
            pass
        assert str(status) in str(caught.value)
