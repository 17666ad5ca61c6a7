import logging
import subprocess
import sys

import jinja2
import pytest
from jinja2 import DictLoader, TemplateNotFound

from hipflask import (
    Blueprint,
    Flask,
    before_render_template,
    g,
    has_request_context,
    render_template,
    render_template_string,
    session,
    stream_template,
    stream_template_string,
    template_rendered,
    templating,
)
from hipflask.templating import DispatchingJinjaLoader, Environment, _default_template_ctx_processor


def make_app(name="shop", **templates):
    app = Flask(name)
    app.secret_key = "for tests"
    app.jinja_loader = DictLoader(templates)
    return app


@pytest.fixture
def app():
    return make_app()


def make_blueprint(name, **templates):
    part = Blueprint(name, __name__)
    part.jinja_loader = DictLoader(templates)
    return part


# --- rendering ---------------------------------------------------------------------------


def test_template_renders_by_name_list_or_object():
    app = make_app(**{"a.html": "a {{ x }}"})
    with app.app_context():
        assert render_template("a.html", x=1) == "a 1"
        assert render_template(["missing.html", "a.html"], x=2) == "a 2"
        assert render_template(app.jinja_env.from_string("own {{ x }}"), x=3) == "own 3"
        assert render_template_string("text {{ x }}", x=4) == "text 4"
        with pytest.raises(TemplateNotFound):
            render_template("missing.html")
        with pytest.raises(jinja2.TemplatesNotFound):
            render_template(["missing.html"])


def test_markup_is_escaped_by_suffix_and_in_strings():
    plain = dict.fromkeys(("a.html", "a.htm", "a.xml", "a.xhtml", "a.svg"), "{{ x }}")
    app = make_app(**plain, **{"a.txt": "{{ x }}", "a.HTML": "{{ x }}"})
    with app.app_context():
        for name in plain:
            assert render_template(name, x="<") == "&lt;"
        assert render_template("a.txt", x="<") == "<"
        assert render_template("a.HTML", x="<") == "<"
        assert render_template_string("{{ x }}", x="<") == "&lt;"
    assert app.select_jinja_autoescape(None) is True


@pytest.mark.parametrize("function", [render_template, stream_template])
def test_rendering_needs_an_application(function):
    with pytest.raises(RuntimeError, match="outside of application context"):
        function("a.html")


def test_standard_names_are_there_in_a_request(app):
    with app.test_request_context("/path"):
        session["s"] = 1
        g.x = 2
        assert render_template_string("{{ request.path }}{{ session.s }}{{ g.x }}") == "/path12"
        assert render_template_string("{{ config.TESTING }}{{ url_for('static', filename='a') }}")
        assert render_template_string("{{ get_flashed_messages()|length }}") == "0"


def test_globals_reach_imported_templates():
    app = make_app(
        **{
            "macros.html": "{% macro here() %}{{ request.path }}{{ g.x }}{% endmacro %}",
            "page.html": "{% from 'macros.html' import here %}{{ here() }}",
        }
    )
    with app.test_request_context("/path"):
        g.x = 1
        assert render_template("page.html") == "/path1"


def test_default_context_holds_what_exists_and_leaves_the_session_alone(app):
    assert _default_template_ctx_processor() == {}
    with app.app_context():
        assert set(_default_template_ctx_processor()) == {"g"}
    with app.test_request_context() as ctx:
        found = _default_template_ctx_processor()
        assert found == {"g": g._get_current_object(), "request": ctx.request}


def test_page_that_does_not_use_the_session_does_not_vary_by_cookie(app):
    app.add_url_rule("/", "index", lambda: render_template_string("{{ request.path }}"))
    app.add_url_rule("/s", "s", lambda: render_template_string("{{ session.x }}"))
    client = app.test_client()
    assert "Vary" not in client.get("/").headers
    assert client.get("/s").headers["Vary"] == "Cookie"


# --- context processors ------------------------------------------------------------------


def test_explicit_values_win_over_processors_and_inner_blueprints_over_outer_ones(app):
    outer, inner = make_blueprint("outer"), make_blueprint("inner")
    app.context_processor(lambda: {"a": "app", "b": "app", "c": "app", "d": "app"})
    outer.context_processor(lambda: {"b": "outer", "c": "outer", "d": "outer"})
    inner.context_processor(lambda: {"c": "inner", "d": "inner"})
    text = "{{ a }} {{ b }} {{ c }} {{ d }}"
    inner.add_url_rule("/in", "view", lambda: render_template_string(text, d="own"))
    app.add_url_rule("/out", "view", lambda: render_template_string(text, d="own"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    client = app.test_client()
    assert client.get("/in").text == "app outer inner own"
    assert client.get("/out").text == "app app app own"


def test_processor_may_be_async_and_may_replace_standard_names(app):
    @app.context_processor
    async def replace():
        return {"request": "mine"}

    with app.test_request_context():
        assert render_template_string("{{ request }}") == "mine"


def test_update_template_context_changes_the_dictionary_it_is_given(app):
    app.context_processor(lambda: {"a": 1, "b": 1})
    context = {"b": 2}
    with app.app_context():
        app.update_template_context(context)
        assert context == {"a": 1, "b": 2, "g": g._get_current_object()}


# --- signals -----------------------------------------------------------------------------


def test_signals_surround_rendering_and_the_first_may_change_the_context(app):
    seen = []

    def before(sender, template, context, **extra):
        seen.append(("before", sender))
        context["x"] = "changed"

    def after(sender, template, context, **extra):
        seen.append(("after", context["x"]))

    with before_render_template.connected_to(before), template_rendered.connected_to(after):
        with app.app_context():
            assert render_template_string("{{ x }}", x="given") == "changed"
            assert seen == [("before", app), ("after", "changed")]
            del seen[:]
            pieces = stream_template_string("{{ x }}", x="given")
            assert seen == [("before", app)]
            assert "".join(pieces) == "changed"
            assert seen == [("before", app), ("after", "changed")]


# --- streams -----------------------------------------------------------------------------


def test_streamed_template_keeps_the_request_while_it_is_sent():
    page = "{% for n in rows() %}{{ n }}{{ request.path }}{{ url_for('view') }} {% endfor %}"
    app = make_app(**{"page.html": page})
    live = []

    def rows():
        for number in range(2):
            live.append(has_request_context())
            yield number

    @app.get("/view")
    def view():
        return stream_template("page.html", rows=rows)

    assert app.test_client().get("/view").text == "0/view/view 1/view/view "
    assert live == [True, True]


def test_streamed_template_without_a_request_needs_none(app):
    with app.app_context():
        pieces = stream_template_string("{{ config.TESTING }} {{ x }}", x=1)
    assert "".join(pieces) == "False 1"


# --- the environment ---------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("setting", [True, False, None])
def test_templates_reload_as_configured_else_in_debug_mode(app, debug, setting):
    app.config.update(DEBUG=debug, TEMPLATES_AUTO_RELOAD=setting)
    assert app.jinja_env.auto_reload is (debug if setting is None else setting)


def test_jinja_options_win_and_are_not_changed(app):
    app.jinja_options = {"autoescape": False, "auto_reload": True, "trim_blocks": True}
    assert (app.jinja_env.autoescape, app.jinja_env.auto_reload) == (False, True)
    assert app.jinja_env.trim_blocks is True
    assert app.jinja_options == {"autoescape": False, "auto_reload": True, "trim_blocks": True}


def test_environment_dumps_json_as_the_application_does(app):
    app.json.ensure_ascii = False
    with app.app_context():
        assert render_template_string("{{ 'é'|tojson }}") == '"é"'


def test_environment_and_its_overlays_know_the_application(app):
    env = app.jinja_env
    assert type(env) is Environment
    assert env.app is app
    assert env.overlay(trim_blocks=True).app is app
    assert isinstance(env.loader, DispatchingJinjaLoader)
    assert Environment(app, loader=None).loader is None


def test_environment_class_and_loader_can_be_replaced():
    class Own(Environment):
        pass

    class App(Flask):
        jinja_environment = Own

        def create_global_jinja_loader(self):
            return DictLoader({"a.html": "own"})

    app = App("shop")
    with app.app_context():
        assert type(app.jinja_env) is Own
        assert render_template("a.html") == "own"


# --- the loader --------------------------------------------------------------------------


def test_application_is_asked_before_its_blueprints():
    app = make_app(**{"both.html": "app"})
    app.register_blueprint(make_blueprint("part", **{"both.html": "part", "own.html": "part"}))
    with app.app_context():
        assert render_template("both.html") == "app"
        assert render_template("own.html") == "part"
    assert sorted(app.jinja_env.list_templates()) == ["both.html", "own.html"]


@pytest.fixture
def explained(app, caplog):
    """Return a function that renders a template and returns what was explained."""
    app.config["EXPLAIN_TEMPLATE_LOADING"] = True
    app.jinja_loader = DictLoader({"both.html": "app"})
    part = make_blueprint("part", **{"both.html": "part"})

    @part.get("/<name>")
    def view(name):
        return render_template(name)

    app.register_blueprint(part)
    app.testing = True
    caplog.set_level(logging.INFO, "shop")

    def render(name):
        caplog.clear()
        try:
            text = app.test_client().get(f"/{name}").text
        except TemplateNotFound as error:
            text = repr(error)
        return text, "\n".join(record.getMessage() for record in caplog.records)

    return render


def test_explained_loading_takes_the_first_match_and_warns_of_others(explained):
    text, explanation = explained("both.html")
    assert text == "app"
    assert "1: trying loader of application 'shop'" in explanation
    assert f"2: trying loader of blueprint 'part' ({__name__})" in explanation
    assert "Warning: 2 loaders have this template" in explanation


def test_explained_loading_says_what_is_missing_and_who_asked(explained):
    text, explanation = explained("missing.html")
    assert text == "TemplateNotFound('missing.html')"
    assert "Error: the template could not be found." in explanation
    assert "an endpoint that belongs to the blueprint 'part'" in explanation


# --- what importing costs ----------------------------------------------------------------


def test_module_imports_jinja_only_when_a_class_of_it_is_asked_for():
    code = (
        "import sys, hipflask.templating as t\n"
        "before = 'jinja2' in sys.modules\n"
        "t.Environment\n"
        "print(before, 'jinja2' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]


def test_module_answers_for_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        templating.missing  # noqa: B018
