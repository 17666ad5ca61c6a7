import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.test import create_environ

from hipflask import Blueprint, Flask, Response, g, request, session
from hipflask.ctx import RequestContext
from hipflask.json.provider import DefaultJSONProvider, JSONProvider
from hipflask.routing import NOT_ALLOWED, NOT_FOUND, AskingMatcher
from hipflask.sealing import HOSTS_KEPT, Plan, _scopes
from hipflask.sessions import SecureCookieSessionInterface


class App(Flask):
    """Logs the steps that are replaced."""

    def __init__(self):
        super().__init__(__name__)
        self.log = []
        self.secret_key = "for tests"
        self.add_url_rule("/", "index", lambda: f"index {request.args.get('x', '')}")
        self.add_url_rule("/item/<int:n>", "item", lambda n: {"n": n})
        self.add_url_rule("/fail", "fail", lambda: 1 / 0)


@pytest.fixture
def app():
    return App()


def ring(app, path="/", **options):
    """(status code, text) over bare WSGI."""
    return answer(app, path, **options)[:2]


def answer(app, path="/", **options):
    """(status code, text, headers) over bare WSGI."""
    started = []
    environ = create_environ(path, **options)
    body = app(environ, lambda status, headers, exc_info=None: started.append((status, headers)))
    try:
        text = b"".join(body).decode()
    finally:
        getattr(body, "close", lambda: None)()
    status, headers = started[0]
    return int(status[:3]), text, dict(headers)


# --- when a plan is made --------------------------------------------------------------------


def test_plan_is_made_once_and_kept(app):
    plan = app.sealed
    assert isinstance(plan, Plan)
    ring(app)
    ring(app, "/item/1")
    assert app.sealed is plan


CHANGES = {
    "view function": lambda app: app.view_functions.update(index=lambda: "changed"),
    "hook": lambda app: app.before_request_funcs[None].append(lambda: "changed"),
    "hook of a blueprint": lambda app: app.before_request_funcs["x"].append(lambda: None),
    "hook list": lambda app: app.after_request_funcs.update({None: []}),
    "teardown": lambda app: app.teardown_appcontext_funcs.append(lambda error: None),
    "rule": lambda app: app.url_map.add(Rule("/new", endpoint="index")),
    "map setting": lambda app: setattr(app.url_map, "strict_slashes", False),
    "map": lambda app: setattr(app, "url_map", Map()),
    "method on the instance": lambda app: setattr(app, "dispatch_request", lambda: "changed"),
    "response class": lambda app: setattr(app, "response_class", type("R", (Response,), {})),
    "session interface": lambda app: setattr(app, "session_interface", object()),
    "JSON provider": lambda app: setattr(app, "json", DefaultJSONProvider(app)),
    "deleted attribute": lambda app: delattr(app, "test_client"),
    "class attribute": lambda app: setattr(App, "marker", 2),
    "inherited class attribute": lambda app: setattr(Flask, "marker", 3),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_plan_is_made_anew_after_a_change_of(app, what):
    app.test_client = None
    plan = app.sealed
    try:
        CHANGES[what](app)
        assert app.sealed is not plan
    finally:
        for cls in (App, Flask):
            if "marker" in vars(cls):
                del cls.marker


def test_attribute_of_the_applications_own_leaves_the_plan_alone(app):
    plan = app.sealed
    app.visits = 1  # a counter, say, written at each request
    app.visits += 1
    del app.visits
    assert app.sealed is plan


def test_plan_made_while_something_changes_is_not_kept(app):
    seen = []

    original = App.ensure_sync

    def ensure_sync(self, function):
        if not seen:
            seen.append(function)
            self.view_functions["late"] = len  # by another thread, say
        return original(self, function)

    app.before_request_funcs[None].append(lambda: None)
    App.ensure_sync = ensure_sync
    try:
        first = app.sealed
        assert seen
        assert app.sealed is not first
        assert app.sealed is app.sealed
    finally:
        del App.ensure_sync


def test_changes_of_one_application_leave_the_plan_of_another(app):
    other = App()
    plan = other.sealed
    app.view_functions.clear()
    assert other.sealed is plan


# --- routes ---------------------------------------------------------------------------------


def test_hooks_run_outermost_in_before_and_inmost_out_after(app):
    log = app.log

    def hooks(scaffold, name):
        scaffold.url_value_preprocessor(lambda endpoint, values: log.append(f"values {name}"))
        scaffold.before_request(lambda: log.append(f"before {name} 1"))
        scaffold.before_request(lambda: log.append(f"before {name} 2"))
        scaffold.after_request(lambda response: log.append(f"after {name} 1") or response)
        scaffold.after_request(lambda response: log.append(f"after {name} 2") or response)
        scaffold.teardown_request(lambda error: log.append(f"teardown {name}"))

    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)
    inner.add_url_rule("/inner", "view", lambda: log.append("view") or "")
    for scaffold, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        hooks(scaffold, name)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert ring(app, "/inner") == (200, "")
    assert log == [
        "values app", "values outer", "values inner",
        "before app 1", "before app 2", "before outer 1", "before outer 2",
        "before inner 1", "before inner 2",
        "view",
        "after inner 2", "after inner 1", "after outer 2", "after outer 1",
        "after app 2", "after app 1",
        "teardown inner", "teardown outer", "teardown app",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "endpoint, scopes",
    [
        (None, (None,)),
        ("index", (None,)),
        ("a.index", ("a", None)),
        ("a.b.index", ("a.b", "a", None)),
        (("tuple", 1), (None,)),
        (7, (None,)),
    ],
)
def test_scopes_of_an_endpoint(endpoint, scopes):
    assert _scopes(endpoint) == scopes


def test_endpoint_may_be_anything_that_has_a_hash(app):
    app.url_map.add(Rule("/odd", endpoint=("odd", 1)))
    app.view_functions[("odd", 1)] = lambda: "odd"
    assert ring(app, "/odd") == (200, "odd")


def test_rule_without_a_view_fails_with_its_endpoints_name(app):
    app.testing = True
    app.url_map.add(Rule("/unbound/<x>", endpoint="unbound"))
    with pytest.raises(KeyError, match="unbound"):
        ring(app, "/unbound/1")


def test_route_is_made_once_for_a_rule(app):
    plan = app.sealed
    found, arguments = plan.match("GET", "/item/5")
    assert arguments == {"n": 5}
    assert found.plan is None
    route = plan.route_of(found)
    assert found.plan is route is plan.route_of_rule(found.rule)
    assert plan.route_of_rule(None) is plan.unmatched


def test_refusal_is_the_exception_for_what_no_rule_takes(app):
    plan = app.sealed
    assert type(plan.refusal(NOT_FOUND, None)) is NotFound
    refused = plan.refusal(NOT_ALLOWED, {"POST"})
    assert type(refused) is MethodNotAllowed
    assert refused.valid_methods == ["POST"]


def test_path_and_method_nobody_takes_are_answered_for_known_and_unknown_hosts(app):
    for _ in range(2):
        assert ring(app, "/none")[0] == 404
        status, _, headers = answer(app, "/", method="DELETE")
        assert status == 405
        assert set(headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# --- hosts ----------------------------------------------------------------------------------


def test_hosts_that_passed_are_remembered_up_to_a_number(app):
    for number in range(HOSTS_KEPT + 10):
        assert ring(app, "/", headers={"Host": f"host{number}.test"})[0] == 200
    hosts = app.sealed.hosts
    assert len(hosts) == HOSTS_KEPT
    assert "host0.test" in hosts and f"host{HOSTS_KEPT}.test" not in hosts


def test_refused_host_is_not_remembered(app):
    app.config["TRUSTED_HOSTS"] = [".good.test"]
    for _ in range(2):
        assert ring(app, "/", headers={"Host": "evil.test"})[0] == 400
        assert ring(app, "/", headers={"Host": "www.good.test"})[0] == 200
    assert app.sealed.hosts == {"www.good.test", b"www.good.test"}  # as ASGI has it


def test_setting_trusted_hosts_forgets_the_hosts_known(app):
    assert ring(app, "/", headers={"Host": "evil.test"})[0] == 200
    app.config["TRUSTED_HOSTS"] = ["good.test"]
    assert ring(app, "/", headers={"Host": "evil.test"})[0] == 400


@pytest.mark.parametrize(
    "make",
    [
        lambda: Flask(__name__, subdomain_matching=True),
        lambda: Flask(__name__, host_matching=True, static_folder=None),
        lambda: type("Own", (Flask,), {"url_map_class": Map})(__name__),
        lambda: type(
            "Own",
            (Flask,),
            {"create_url_adapter": lambda self, request: Flask.create_url_adapter(self, request)},
        )(__name__),
    ],
    ids=["subdomains", "hosts", "map class", "adapter"],
)
def test_where_matching_is_not_plain_each_request_is_werkzeugs(make):
    app = make()
    host = {"host": "localhost"} if app.url_map.host_matching else {}
    app.add_url_rule("/x", "x", lambda: "x", **host)
    for _ in range(2):
        assert ring(app, "/x") == (200, "x")
        assert ring(app, "/y")[0] == 404
    assert app.sealed.hosts == set()
    assert isinstance(app.sealed.match.__self__, AskingMatcher)


# --- replaced steps -------------------------------------------------------------------------

# name: (what our own gets after `self`, whether an ordinary request runs it)
STEPS = {
    "full_dispatch_request": (0, "/"),
    "preprocess_request": (0, "/"),
    "dispatch_request": (0, "/"),
    "finalize_request": (1, "/"),
    "make_response": (1, "/"),
    "process_response": (1, "/"),
    "handle_user_exception": (1, "/fail"),
    "handle_http_exception": (1, "/none"),
    "handle_exception": (1, "/fail"),
    "do_teardown_request": (1, "/"),
    "do_teardown_appcontext": (1, "/"),
    "create_url_adapter": (1, "/"),
}


@pytest.mark.parametrize("where", ["subclass", "instance", "class"])
@pytest.mark.parametrize("name", STEPS)
def test_replaced_step_is_called_by_name(name, where):
    count, path = STEPS[name]
    original = getattr(Flask, name)

    def replacement(self, *args, **kwargs):
        self.log.append((name, len(args)))
        return original(self, *args, **kwargs)

    expected = ring(App(), path)
    try:
        if where == "subclass":
            app = type("Replaced", (App,), {name: replacement})()
        else:
            app = App()
            ring(app, "/item/1")  # sealed before
            if where == "class":
                setattr(Flask, name, replacement)
            else:
                setattr(app, name, replacement.__get__(app))
        for _ in range(2):
            del app.log[:]
            assert ring(app, path) == expected
            assert (name, count) in app.log
    finally:
        setattr(Flask, name, original)


@pytest.mark.parametrize(
    "name", [n for n in STEPS if n not in ("make_response", "create_url_adapter")]
)
def test_step_written_for_flask_3_2_gets_the_context_first(name):
    count, path = STEPS[name]

    def replacement(self, ctx, *args):
        self.log.append((name, type(ctx), len(args)))
        return getattr(super(Replaced, self), name)(ctx, *args)

    Replaced = type("Replaced", (App,), {name: replacement})
    app = Replaced()
    assert ring(app, path) == ring(App(), path)
    [logged] = {entry for entry in app.log if entry[0] == name}
    assert logged == (name, RequestContext, count) or name == "do_teardown_appcontext"


def test_step_without_a_signature_is_called_the_old_way(app):
    class Step:
        __signature__ = "none"

        def __call__(self):
            return "from the step"

    app.dispatch_request = Step()
    assert ring(app) == (200, "from the step")


def test_answer_of_a_replaced_step_counts(app):
    app.preprocess_request = lambda: "before the view"
    assert ring(app) == (200, "before the view")
    app.process_response = lambda response: Response(response.get_data() + b", processed")
    assert ring(app) == (200, "before the view, processed")
    app.full_dispatch_request = lambda: Response("all by itself")
    assert ring(app) == (200, "all by itself")
    del app.full_dispatch_request, app.preprocess_request, app.process_response
    assert ring(app) == (200, "index ")


def test_teardown_of_the_application_runs_with_hooks_or_a_replaced_method(app):
    ring(app)
    assert not app.sealed.tears_down_app
    app.teardown_appcontext_funcs.append(app.log.append)
    ring(app)
    assert app.log == [None]


# --- sessions, responses, JSON --------------------------------------------------------------


def test_own_session_interface_is_not_opened_for_nothing(app):
    opened = []
    interface = SecureCookieSessionInterface()
    original = interface.open_session
    app.session_interface = interface
    assert not app.sealed.opens_session
    interface.open_session = lambda app, request: opened.append(request) or original(app, request)
    app.session_interface = interface
    assert app.sealed.opens_session
    ring(app)
    assert len(opened) == 1


def test_session_interface_of_another_class_is_opened_for_each_request(app):
    class Interface(SecureCookieSessionInterface):
        pass

    app.session_interface = Interface()
    assert app.sealed.opens_session
    seen = []
    app.before_request_funcs[None].append(lambda: seen.append(session.accessed))
    assert ring(app) == (200, "index ")


RESPONSES = {
    "init": {"__init__": lambda self, *a, **k: Response.__init__(self, *a, **k)},
    "new": {"__new__": lambda cls, *a, **k: object.__new__(cls)},
    "set_data": {"set_data": lambda self, value: Response.set_data(self, b"own " + value.encode())},
    "default_status": {"default_status": 203},
}  # fmt: skip


@pytest.mark.parametrize("what", RESPONSES)
def test_response_class_that_makes_itself_is_called(app, what):
    made = []
    cls = type("Own", (Response,), RESPONSES[what])
    original = cls.__init__

    assert app.sealed.bare is Response
    app.response_class = cls
    assert app.sealed.bare is None
    app.after_request_funcs[None].append(lambda response: made.append(response) or response)
    status, text = ring(app)
    assert type(made[0]) is cls
    assert status == (203 if what == "default_status" else 200)
    assert text == ("own index " if what == "set_data" else "index ")
    assert original is cls.__init__


def test_response_class_with_other_defaults_is_made_without_its_constructor(app):
    class Plain(Response):
        default_mimetype = "text/plain"

    app.response_class = Plain
    assert app.sealed.bare is Plain
    assert answer(app)[2]["Content-Type"] == "text/plain; charset=utf-8"


def test_replaced_json_provider_answers(app):
    class Loud(JSONProvider):
        def dumps(self, value, **options):
            return f"LOUD {value}"

        def loads(self, text, **options):
            return text

    assert app.sealed.dumps_json
    assert ring(app, "/item/1") == (200, '{"n":1}\n')
    app.json = Loud(app)
    assert not app.sealed.dumps_json
    assert ring(app, "/item/1") == (200, "LOUD {'n': 1}")

    class Response(DefaultJSONProvider):
        def response(self, *args, **kwargs):
            return app.response_class("own response")

    app.json = Response(app)
    assert ring(app, "/item/1") == (200, "own response")


def test_request_class_that_closes_itself_is_closed(app):
    class Closing(app.request_class):
        def close(self):
            app.log.append(g.get("name", "closed"))

    assert not app.sealed.closes_request
    app.request_class = Closing
    ring(app)
    assert app.log == ["closed"]
