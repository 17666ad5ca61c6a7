"""Parts exchanged and containers changed, before and after the first request.

Every test runs on hipflask, and on the real Flask too when it is installed, with the same
expectations: what an extension relies on is Flask's behaviour, not ours.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import BaseConverter

from . import support
from .support import WARM, ask, make, patched, warm_up, wrapping


@WARM
def test_a_session_interface_put_in_is_opened_and_saved(fl: ModuleType, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    log: list[str] = []
    sessions = importlib.import_module(f"{fl.__name__}.sessions")

    class Memory(dict[str, Any], sessions.SessionMixin):  # type: ignore[name-defined,misc]
        pass

    class Interface(sessions.SessionInterface):  # type: ignore[name-defined,misc]
        def open_session(self, app: Any, request: Any) -> Any:
            log.append("open")
            return Memory(x="from the interface")

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            log.append("save")

    app.session_interface = Interface()
    assert ask(app) == ("200", "view")
    assert log == ["open", "save"]
    assert ask(app, "/session") == ("200", "from the interface")


@WARM
def test_a_session_interface_that_opens_nothing_gives_the_null_session(
    fl: ModuleType, warm: bool
) -> None:
    app = make(fl)
    warm_up(app, warm)
    sessions = importlib.import_module(f"{fl.__name__}.sessions")

    class Nothing(sessions.SessionInterface):  # type: ignore[name-defined,misc]
        def open_session(self, app: Any, request: Any) -> Any:
            return None

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            raise AssertionError("a null session is not saved")

    app.session_interface = Nothing()
    assert ask(app, "/session") == ("200", "None")


def test_a_method_of_the_session_interface_replaced_is_called(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    # One of its own: the class attribute is shared by all apps.
    app.session_interface = type(app.session_interface)()
    app.session_interface.get_cookie_name = lambda app: "renamed"
    app.view_functions["index"] = lambda: fl.session.update(a=1) or "set"
    with app.test_client() as client:
        assert "renamed=" in client.get("/").headers["Set-Cookie"]


@WARM
def test_a_json_provider_put_in_writes_the_answers(fl: ModuleType, warm: bool) -> None:
    provider = importlib.import_module(f"{fl.__name__}.json.provider")
    app = make(fl)
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/jsonify", "jsonify", lambda: fl.jsonify(a=1))
    if warm:
        assert ask(app, "/json")[0] == "200"

    class Provider(provider.DefaultJSONProvider):  # type: ignore[name-defined,misc]
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return "own"

    app.json = Provider(app)
    assert ask(app, "/json")[1].strip() == "own"
    assert ask(app, "/jsonify")[1].strip() == "own"


def test_settings_of_the_json_provider_changed_late_count(fl: ModuleType) -> None:
    app = make(fl)
    app.add_url_rule("/json", "json", lambda: {"b": 1, "a": "\u00e9"})
    assert ask(app, "/json")[1].strip() == '{"a":"\\u00e9","b":1}'
    app.json.sort_keys = False
    app.json.ensure_ascii = False
    assert ask(app, "/json")[1].strip() == '{"b":1,"a":"\u00e9"}'
    app.json.compact = False
    assert ask(app, "/json")[1].strip() == '{\n  "b": 1,\n  "a": "\u00e9"\n}'
    app.json.default = lambda obj: "by the default"
    app.view_functions["json"] = lambda: {"o": object()}
    assert '"by the default"' in ask(app, "/json")[1]


def test_json_dumps_replaced_on_the_provider_is_called(fl: ModuleType) -> None:
    app = make(fl)
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    assert ask(app, "/json")[0] == "200"
    app.json.dumps = lambda obj, **kwargs: "replaced"
    assert ask(app, "/json")[1].strip() == "replaced"


def test_a_view_reassigned_after_the_first_request_is_used(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    original = app.view_functions["index"]
    app.view_functions["index"] = lambda: original() + " wrapped"
    assert ask(app) == ("200", "view wrapped")
    app.view_functions.update(index=lambda: "updated")
    assert ask(app) == ("200", "updated")
    app.view_functions = {**app.view_functions, "index": lambda: "new dict"}
    assert ask(app) == ("200", "new dict")


def test_a_plain_dict_of_views_put_in_stays_live(fl: ModuleType) -> None:
    app = make(fl)
    app.view_functions = dict(app.view_functions)
    warm_up(app, True)
    app.view_functions["index"] = lambda: "changed"
    assert ask(app) == ("200", "changed")
    app.view_functions = dict(app.view_functions)
    app.view_functions["index"] = lambda: "changed again"
    assert ask(app) == ("200", "changed again")


def test_plain_containers_put_in_stay_live(fl: ModuleType) -> None:
    app = make(fl)
    log: list[str] = []
    app.after_request_funcs = {}
    app.teardown_request_funcs = {}
    app.teardown_appcontext_funcs = []
    app.error_handler_spec = {None: {403: {}, None: {}}}
    app.url_value_preprocessors = {}
    warm_up(app, True)
    app.after_request_funcs[None] = [lambda r: log.append("after") or r]
    app.teardown_request_funcs[None] = [lambda e: log.append("teardown")]
    app.teardown_appcontext_funcs.append(lambda e: log.append("app teardown"))
    app.url_value_preprocessors[None] = [lambda e, v: log.append("values")]
    app.error_handler_spec[None][403][HTTPException] = lambda error: ("own 403", 403)
    assert ask(app) == ("200", "view")
    assert log == ["values", "after", "teardown", "app teardown"]
    assert ask(app, "/refuse") == ("403", "own 403")


def test_every_view_wrapped_in_a_loop_is_used(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    for endpoint, view in list(app.view_functions.items()):
        app.view_functions[endpoint] = wrapping([], view, endpoint)
    assert ask(app, "/item/7") == ("200", "7")


def test_hooks_inserted_into_the_raw_dicts_after_the_first_request_run(fl: ModuleType) -> None:
    app = make(fl)
    app.before_request(lambda: log.append("first"))
    log: list[Any] = []
    assert ask(app) == ("200", "view")
    log.clear()
    app.before_request_funcs[None].insert(0, lambda: log.append("inserted"))
    app.after_request_funcs.setdefault(None, []).append(lambda r: log.append("after") or r)
    app.teardown_request_funcs.setdefault(None, []).insert(0, lambda e: log.append("teardown"))
    app.url_value_preprocessors.setdefault(None, []).append(lambda e, v: log.append("values"))
    app.teardown_appcontext_funcs.append(lambda e: log.append("app teardown"))
    assert ask(app) == ("200", "view")
    assert log == ["values", "inserted", "first", "after", "teardown", "app teardown"]
    app.before_request_funcs[None].clear()
    app.after_request_funcs[None].pop()
    log.clear()
    assert ask(app) == ("200", "view")
    assert log == ["values", "teardown", "app teardown"]


def test_hooks_given_as_new_lists_and_dicts_run(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    log: list[str] = []
    app.before_request_funcs[None] = [lambda: log.append("list")]
    assert ask(app) == ("200", "view")
    app.before_request_funcs = {None: [lambda: log.append("dict")]}
    assert ask(app) == ("200", "view")
    assert log == ["list", "dict"]
    app.before_request_funcs[None] = [lambda: "short"]
    assert ask(app) == ("200", "short")
    del app.before_request_funcs[None]
    assert ask(app) == ("200", "view")


def change_item(hooks: list[Any]) -> None:
    hooks[0] = lambda: "short"


def change_end(hooks: list[Any]) -> None:
    hooks.append(lambda: "short")


def change_slice(hooks: list[Any]) -> None:
    hooks[:] = [lambda: "short"]


def change_in_place(hooks: list[Any]) -> None:
    hooks += [lambda: "short"]


CHANGES = (change_item, change_end, change_slice, change_in_place)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("origin", ["registered", "list put in", "dict put in"])
def test_a_list_of_hooks_changed_in_place_after_serving_counts(
    fl: ModuleType, origin: str, change: Any
) -> None:
    app = make(fl)
    hooks: list[Any] = [lambda: None]
    if origin == "registered":
        app.before_request(hooks[0])
    elif origin == "dict put in":
        app.before_request_funcs = {None: hooks}
    else:
        app.before_request_funcs[None] = hooks
    warm_up(app, True)
    change(app.before_request_funcs[None])
    assert ask(app) == ("200", "short")


def test_hooks_for_a_blueprint_put_into_the_apps_dicts_run(fl: ModuleType) -> None:
    app = make(fl)
    bp = fl.Blueprint("bp", "patched_bp", url_prefix="/bp")
    bp.add_url_rule("/", "index", lambda: "bp")
    app.register_blueprint(bp)
    assert ask(app, "/bp/") == ("200", "bp")
    log: list[str] = []
    app.before_request_funcs.setdefault("bp", []).append(lambda: log.append("before"))
    app.after_request_funcs.setdefault("bp", []).append(lambda r: log.append("after") or r)
    assert ask(app, "/bp/") == ("200", "bp")
    assert ask(app) == ("200", "view")
    assert log == ["before", "after"]


def test_error_handlers_put_into_the_raw_spec_answer(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, "/refuse")[0] == "403"
    app.error_handler_spec[None][403][HTTPException] = lambda error: ("raw 403", 403)
    app.error_handler_spec[None][None][ZeroDivisionError] = lambda error: "raw error"
    app.error_handler_spec[None][404][NotFound] = lambda error: ("raw 404", 404)
    assert ask(app, "/refuse") == ("403", "raw 403")
    assert ask(app, "/fail") == ("200", "raw error")
    assert ask(app, "/nowhere") == ("404", "raw 404")
    app.error_handler_spec[None][403].clear()
    assert ask(app, "/refuse")[1] != "raw 403"


def test_context_processors_in_the_raw_dict_count(fl: ModuleType) -> None:
    app = make(fl)
    app.add_url_rule("/page", "page", lambda: fl.render_template_string("{{ late }}"))
    assert ask(app, "/page") == ("200", "")
    app.template_context_processors[None].append(lambda: {"late": "seen"})
    assert ask(app, "/page") == ("200", "seen")


def test_a_converter_added_to_the_map_works_and_may_be_replaced(fl: ModuleType) -> None:
    class Doubling(BaseConverter):
        def to_python(self, value: str) -> Any:
            return value * 2

    app = make(fl)
    app.url_map.converters["doubled"] = Doubling
    app.add_url_rule("/twice/<doubled:x>", "twice", lambda x: x)
    app.url_map.converters["int"] = Doubling
    app.add_url_rule("/replaced/<int:x>", "replaced", lambda x: x)
    assert ask(app, "/twice/ab") == ("200", "abab")
    assert ask(app, "/replaced/12") == ("200", "1212")
    assert ask(app, "/item/12") == ("200", "12")


def test_a_rule_added_to_the_map_after_the_first_request_is_matched(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, "/late")[0] == "404"
    rule = app.url_rule_class("/late", endpoint="late", methods=["GET"])
    app.url_map.add(rule)
    app.view_functions["late"] = lambda: "late"
    assert ask(app, "/late") == ("200", "late")
    assert ask(app) == ("200", "view")


def test_map_settings_changed_after_the_first_request_count(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, "//item//3")[0] == "308"
    app.url_map.merge_slashes = False
    app.url_map._matcher.merge_slashes = False
    assert ask(app, "/item//3")[0] == "404"


def test_signals_connected_after_the_first_request_are_sent_and_stop(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    names = (
        "appcontext_pushed", "request_started", "request_finished", "request_tearing_down",
        "appcontext_tearing_down", "appcontext_popped",
    )  # fmt: skip
    log: list[str] = []
    receivers = []
    for name in names:

        def receive(sender: Any, name: str = name, **rest: Any) -> None:
            log.append(name)

        receivers.append(receive)
        getattr(fl, name).connect(receive, app)
    assert ask(app) == ("200", "view")
    assert log == list(names)
    for name, receive in zip(names, receivers, strict=True):
        getattr(fl, name).disconnect(receive, app)
    log.clear()
    assert ask(app) == ("200", "view")
    assert log == []


def test_the_exception_signal_connected_late_is_sent(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, "/fail")[0] == "500"
    log: list[str] = []

    def receive(sender: Any, exception: Exception, **rest: Any) -> None:
        log.append(type(exception).__name__)

    with fl.got_request_exception.connected_to(receive, app):
        assert ask(app, "/fail")[0] == "500"
        assert ask(app, "/refuse")[0] == "403"
    assert log == ["ZeroDivisionError"]


@WARM
def test_request_class_of_the_app_is_used(fl: ModuleType, warm: bool) -> None:
    class Own(fl.Request):  # type: ignore[name-defined,misc]
        word = "own request"

    app = make(fl)
    app.add_url_rule("/word", "word", lambda: fl.request.word)
    warm_up(app, warm)
    app.request_class = Own
    assert ask(app, "/word") == ("200", "own request")


@WARM
def test_response_class_of_the_app_is_used(fl: ModuleType, warm: bool) -> None:
    class Own(fl.Response):  # type: ignore[name-defined,misc]
        default_status = 299

    app = make(fl)
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    warm_up(app, warm)
    app.response_class = Own
    assert ask(app)[0] == "299"
    assert ask(app, "/json")[0] == "299"


def test_response_class_is_asked_to_force_what_is_no_response(fl: ModuleType) -> None:
    class Forcing(fl.Response):  # type: ignore[name-defined,misc]
        @classmethod
        def force_type(cls, response: Any, environ: Any = None) -> Any:
            return cls(f"forced in {environ['PATH_INFO']}")

    app = make(fl)
    app.response_class = Forcing
    app.add_url_rule("/wsgi", "wsgi", lambda: lambda environ, start_response: [])
    assert ask(app, "/wsgi") == ("200", "forced in /wsgi")


def test_response_methods_overridden_are_called(fl: ModuleType) -> None:
    log: list[str] = []

    class Own(fl.Response):  # type: ignore[name-defined,misc]
        def get_wsgi_headers(self, environ: Any) -> Any:
            log.append("headers")
            return super().get_wsgi_headers(environ)

        def get_app_iter(self, environ: Any) -> Any:
            log.append("iter")
            return super().get_app_iter(environ)

        def __call__(self, environ: Any, start_response: Any) -> Any:
            log.append("call")
            return super().__call__(environ, start_response)

    app = make(fl)
    app.response_class = Own
    assert ask(app) == ("200", "view")
    assert log == ["call", "headers", "iter"]


def test_request_methods_overridden_are_called(fl: ModuleType) -> None:
    log: list[str] = []

    class Own(fl.Request):  # type: ignore[name-defined,misc]
        def __init__(self, environ: Any, *args: Any, **kwargs: Any) -> None:
            log.append("init")
            super().__init__(environ, *args, **kwargs)

        def close(self) -> None:
            log.append("close")
            super().close()

        def on_json_loading_failed(self, e: Any) -> Any:
            return "no json"

    app = make(fl)
    app.request_class = Own
    app.add_url_rule("/json", "json", lambda: str(fl.request.get_json(force=True)))
    assert ask(app, "/json") == ("200", "no json")
    assert log == ["init", "close"]


def test_make_response_overridden_accepts_new_values(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def make_response(self, rv: Any) -> Any:
            return super().make_response("nothing" if rv is None else rv)

    app = make(fl, Sub)
    app.add_url_rule("/none", "none", lambda: None)
    assert ask(app, "/none") == ("200", "nothing")


def test_default_options_answer_may_be_replaced(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, method="OPTIONS") == ("200", "")
    app.make_default_options_response = lambda: app.make_response("own options")
    assert ask(app, method="OPTIONS") == ("200", "own options")


def test_default_options_answer_may_be_overridden(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def make_default_options_response(self, *args: Any) -> Any:
            response = super().make_default_options_response(*args)
            response.status_code = 204
            return response

    assert ask(make(fl, Sub), method="OPTIONS")[0] == "204"


def test_errors_to_ignore_are_not_kept_for_the_teardown(fl: ModuleType) -> None:
    seen: list[Any] = []

    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def should_ignore_error(self, error: Any) -> bool:
            return isinstance(error, ZeroDivisionError)

    app = make(fl, Sub)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.teardown_request(lambda error: seen.append(type(error)))
    with pytest.raises(ZeroDivisionError):
        ask(app, "/fail")
    assert seen == [type(None)]


def test_url_defaults_injection_may_be_overridden(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def inject_url_defaults(self, endpoint: str, values: dict[str, Any]) -> None:
            super().inject_url_defaults(endpoint, values)
            values.setdefault("n", 9)

    app = make(fl, Sub)
    app.add_url_rule("/url", "url", lambda: fl.url_for("item"))
    assert ask(app, "/url") == ("200", "/item/9")


def test_url_build_errors_may_be_handled_by_an_override(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def handle_url_build_error(self, error: Any, endpoint: str, values: Any) -> str:
            return f"/missing/{endpoint}"

    app = make(fl, Sub)
    app.add_url_rule("/url", "url", lambda: fl.url_for("nope"))
    assert ask(app, "/url") == ("200", "/missing/nope")


def test_url_for_of_the_app_overridden_answers_the_helper(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def url_for(self, endpoint: str, **values: Any) -> str:
            return "//cdn/" + endpoint

    app = make(fl, Sub)
    app.add_url_rule("/url", "url", lambda: fl.url_for("item"))
    assert ask(app, "/url") == ("200", "//cdn/item")


@pytest.mark.parametrize("how", ["subclass", "instance", "class"])
def test_app_context_replaced_is_used_for_requests_too(fl: ModuleType, how: str) -> None:
    log: list[str] = []
    counted = wrapping(log, fl.Flask.app_context, "app_context")
    app = make(fl, type("Sub", (fl.Flask,), {"app_context": lambda self: counted(self)}))
    if how != "subclass":
        app = make(fl)
        warm_up(app, True)
    if how == "instance":
        app.app_context = lambda: counted(app)
    replaced = counted if how == "class" else fl.Flask.app_context
    with patched(fl.Flask, "app_context", lambda self: replaced(self)):
        with app.app_context():
            pass
        assert log == ["app_context"]
        assert ask(app) == ("200", "view")
        assert log == ["app_context", "app_context"]


def test_globals_class_of_the_app_is_used(fl: ModuleType) -> None:
    class Own(fl.ctx._AppCtxGlobals):  # type: ignore[name-defined,misc]
        word = "own g"

    app = make(fl)
    app.add_url_rule("/g", "g", lambda: fl.g.word)
    warm_up(app, True)
    app.app_ctx_globals_class = Own
    assert ask(app, "/g") == ("200", "own g")


def test_aborter_and_redirect_of_the_app_are_used(fl: ModuleType) -> None:
    app = make(fl)
    app.add_url_rule("/go", "go", lambda: fl.redirect("/x"))
    warm_up(app, True)
    app.redirect = lambda location, code=302: app.make_response(("own " + location, 299))
    assert ask(app, "/go") == ("299", "own /x")

    def aborter(code: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound("own abort")

    app.aborter = aborter
    assert ask(app, "/refuse")[0] == "404"


def test_a_trapped_http_error_is_decided_by_the_override(fl: ModuleType) -> None:
    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def trap_http_exception(self, e: Exception) -> bool:
            return True

    app = make(fl, Sub)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(HTTPException):
        ask(app, "/refuse")


def test_config_changed_after_the_first_request_counts(fl: ModuleType) -> None:
    app = make(fl)
    assert ask(app, "/fail")[0] == "500"
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ZeroDivisionError):
        ask(app, "/fail")
    app.config["PROPAGATE_EXCEPTIONS"] = None
    app.testing = True
    with pytest.raises(ZeroDivisionError):
        ask(app, "/fail")
    app.config.update(TESTING=False, TRUSTED_HOSTS=["other"])
    assert ask(app)[0] == "400"
    app.config["TRUSTED_HOSTS"] = None
    app.config["SECRET_KEY"] = None
    app.view_functions["index"] = lambda: fl.session.__setitem__("a", 1)
    assert ask(app)[0] == "500"


def test_a_bound_context_method_may_be_patched(fl: ModuleType) -> None:
    log: list[str] = []
    app = make(fl)
    warm_up(app, True)
    context = fl.ctx.RequestContext
    with patched(context, "push", wrapping(log, context.push, "push")):
        with patched(context, "pop", wrapping(log, context.pop, "pop")):
            assert ask(app) == ("200", "view")
    # The async doors match before the body is read, and open the session after it: no push.
    assert log == (["push", "pop"] if support.door == "wsgi" else ["pop"])


def test_match_request_of_the_context_may_be_overridden(fl: ModuleType) -> None:
    class Context(fl.ctx.RequestContext):  # type: ignore[name-defined,misc]
        def match_request(self) -> None:
            super().match_request()
            if self.request.view_args:
                self.request.view_args["n"] = 41

    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def request_context(self, environ: Any) -> Any:
            return Context(self, environ)

    assert ask(make(fl, Sub), "/item/1") == ("200", "41")


def test_the_url_rule_on_the_request_may_be_changed_by_a_hook(fl: ModuleType) -> None:
    app = make(fl)

    @app.before_request
    def change() -> None:
        if fl.request.view_args:
            fl.request.view_args["n"] += 1

    assert ask(app, "/item/1") == ("200", "2")
    other = next(r for r in app.url_map.iter_rules() if r.endpoint == "index")

    def reroute() -> None:
        fl.request.url_rule = other
        fl.request.view_args = {}

    app.before_request_funcs[None].append(reroute)
    assert ask(app, "/item/1") == ("200", "view")


def test_blueprint_methods_patched_on_the_class_are_called(fl: ModuleType) -> None:
    log: list[str] = []
    register = fl.Blueprint.register
    with patched(fl.Blueprint, "register", wrapping(log, register, "register")):
        app = make(fl)
        bp = fl.Blueprint("bp", "patched_register")
        bp.add_url_rule("/bp", "index", lambda: "bp")
        app.register_blueprint(bp)
    assert log == ["register"]
    assert ask(app, "/bp") == ("200", "bp")


def test_add_url_rule_overridden_or_patched_sees_every_route(fl: ModuleType) -> None:
    log: list[str] = []

    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def add_url_rule(self, rule: str, *args: Any, **kwargs: Any) -> None:
            log.append(rule)
            super().add_url_rule(rule, *args, **kwargs)

    app = Sub("patched", static_folder=None)
    app.get("/one")(lambda: "1")
    bp = fl.Blueprint("bp", "patched_rules", url_prefix="/bp")
    bp.get("/two", endpoint="two")(lambda: "2")
    app.register_blueprint(bp)
    assert log == ["/one", "/bp/two"]


def test_templating_functions_patched_in_their_module_are_called(
    fl: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    templating = importlib.import_module(f"{fl.__name__}.templating")
    log: list[str] = []
    app = make(fl)
    app.add_url_rule("/page", "page", lambda: templating.render_template_string("{{ 2 }}"))
    assert ask(app, "/page") == ("200", "2")
    original = templating._render
    monkeypatch.setattr(templating, "_render", wrapping(log, original, "render"))
    assert ask(app, "/page") == ("200", "2")
    assert log == ["render"]


def test_view_dispatch_patched_on_the_class_is_called(fl: ModuleType) -> None:
    views = importlib.import_module(f"{fl.__name__}.views")
    log: list[str] = []

    class Page(views.MethodView):  # type: ignore[name-defined,misc]
        def get(self) -> str:
            return "page"

    app = make(fl)
    app.add_url_rule("/page", view_func=Page.as_view("page"))
    assert ask(app, "/page") == ("200", "page")
    method = views.MethodView.dispatch_request
    with patched(views.MethodView, "dispatch_request", wrapping(log, method, "dispatch")):
        assert ask(app, "/page") == ("200", "page")
    assert log == ["dispatch"]


def test_a_test_client_class_put_in_is_used(fl: ModuleType) -> None:
    testing = importlib.import_module(f"{fl.__name__}.testing")

    class Own(testing.FlaskClient):  # type: ignore[name-defined,misc]
        def open(self, *args: Any, **kwargs: Any) -> Any:
            response = super().open(*args, **kwargs)
            response.seen = True
            return response

    app = make(fl)
    app.test_client_class = Own
    assert app.test_client().get("/").seen


def test_registering_after_the_first_request_is_refused(fl: ModuleType) -> None:
    app = make(fl)
    warm_up(app, True)
    for register in (
        lambda: app.add_url_rule("/late", "late", lambda: "x"),
        lambda: app.before_request(lambda: None),
        lambda: app.register_error_handler(404, lambda e: "x"),
        lambda: app.register_blueprint(fl.Blueprint("late", "late")),
        lambda: app.teardown_appcontext(lambda e: None),
    ):
        with pytest.raises(AssertionError):
            register()
