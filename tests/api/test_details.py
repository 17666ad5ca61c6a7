from __future__ import annotations

from datetime import UTC, date, datetime
from functools import wraps

import pytest

from hipflask import Blueprint, Flask
from hipflask.api.details import details_of, headers_of, operation, operations
from hipflask.scaffold import SetupError
from hipflask.views import MethodView, View


@pytest.fixture
def app():
    made = Flask("shop")
    made.config["TYPED_VIEWS"] = True
    return made


def told(app):
    return [(each.method, each.rule.rule, each.endpoint) for each in operations(app)]


def test_each_method_of_a_rule_is_an_operation_without_the_implied_ones(app):
    @app.route("/a", methods=["GET", "POST"])
    def a():
        return ""

    assert told(app) == [("GET", "/a", "a"), ("POST", "/a", "a")]


def test_head_counts_where_it_is_all_there_is(app):
    app.add_url_rule("/a", "a", lambda: "", methods=["HEAD"])
    assert told(app) == [("HEAD", "/a", "a")]


def test_what_is_no_operation_is_left_out(app):
    @app.get("/hidden")
    @operation(hidden=True)
    def hidden():
        return ""

    @app.websocket("/ws")
    async def ws():
        pass

    app.add_url_rule("/builds", "builds", lambda: "", build_only=True)
    app.add_url_rule("/moved", "moved", lambda: "", redirect_to="/hidden")
    app.add_url_rule("/alias", "alias", lambda: "", alias=True)
    app.add_url_rule("/docs", "hipflask_docs", lambda: "")
    app.register_blueprint(Blueprint("b", __name__, static_folder="static", url_prefix="/b"))
    assert told(app) == []


def test_a_class_based_view_has_details_by_method(app):
    class Orders(MethodView):
        @operation(summary="All")
        def get(self):
            return ""

        def post(self):
            return ""

    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    found = {each.method: each for each in operations(app)}
    assert found["GET"].details.summary == "All"
    assert found["POST"].details.summary is None
    assert found["GET"].function is Orders.get


def test_a_class_has_details_for_its_dispatch():
    class One(View):
        @operation(summary="One")
        def dispatch_request(self):
            return ""

    assert details_of(One.as_view("one")).summary == "One"


def test_details_are_found_through_decorators():
    def around(view):
        @wraps(view)
        def call(*args, **kwargs):
            return view(*args, **kwargs)

        return call

    @around
    @operation(summary="In")
    def inner():
        pass

    @operation(summary="Out")
    @around
    @operation(summary="In")
    def outer():
        pass

    assert details_of(inner).summary == "In"
    assert details_of(outer).summary == "Out"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2026-11-01", "@1793491200"),
        (date(2026, 11, 1), "@1793491200"),
        ("2026-11-01T12:00:00+02:00", "@1793527200"),
        (datetime(2026, 11, 1, tzinfo=UTC), "@1793491200"),
        (datetime(2026, 11, 1), "@1793491200"),
    ],
)
def test_deprecation_is_a_structured_date(given, sent):
    assert headers_of(details_of(operation(deprecated=given)(lambda: ""))) == (
        ("Deprecation", sent),
    )


def test_sunset_is_an_http_date():
    details = details_of(operation(sunset="2027-01-01", deprecated=True)(lambda: ""))
    assert headers_of(details) == (("Sunset", "Fri, 01 Jan 2027 00:00:00 GMT"),)


def test_nothing_is_sent_where_nothing_is_declared():
    assert headers_of(details_of(lambda: "")) == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"summary": 3}, "summary=3"),
        ({"tags": "orders"}, "tags='orders'"),
        ({"tags": [1]}, "tags=[1]"),
        ({"responses": {"404": "No"}}, "'404' is no status"),
        ({"responses": {99: "No"}}, "99 is no status"),
        ({"responses": {404: 5}}, "5 for 404"),
        ({"responses": {404: ("a", "b")}}, "no pair of a type and a text"),
        ({"examples": ["x"]}, "examples=['x']"),
        ({"deprecated": "soon"}, "deprecated='soon'"),
        ({"sunset": 3}, "sunset=3"),
        ({"deprecated": "2027-01-01", "sunset": "2026-01-01"}, "cannot end before"),
    ],
)
def test_wrong_arguments_are_refused_where_they_stand(arguments, words):
    with pytest.raises(SetupError) as caught:
        operation(**arguments)
    assert words in str(caught.value)


def test_only_a_view_can_be_marked():
    with pytest.raises(SetupError, match="goes on a view"):
        operation()("view")


def test_views_stay_plain_where_typed_views_are_off(app):
    app.config["TYPED_VIEWS"] = False

    @app.get("/")
    def index(page: int = 1):
        return ""

    (found,) = operations(app)
    assert found.signature.inputs == ()


def test_the_document_tells_what_is_bound(app):
    @app.get("/<int:number>/<word>")
    def view(number: int, word: int):
        return ""

    (found,) = operations(app)
    # The converter gives the number; only the word is read here.
    assert [each.name for each in found.signature.inputs] == ["word"]
