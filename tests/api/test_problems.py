"""Problem details (RFC 9457): what becomes of an error of a typed view."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    BadRequestKeyError,
    Conflict,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UnprocessableEntity,
)
from werkzeug.wrappers import Response as WerkzeugResponse

from hipflask import Flask, Response, abort, redirect
from hipflask.api import problems
from hipflask.api.model import Flaw, Rejected
from hipflask.api.problems import Invalid, Malformed, Problem, ProblemDetails
from hipflask.globals import _cv_request


def app_with(view: Any, path: str = "/") -> Flask:
    app = Flask(__name__)
    app.add_url_rule(path, view_func=view, endpoint="view", methods=["GET", "POST"])
    return app


def answered(error: HTTPException, path: str = "/orders/7", app: Flask | None = None) -> Any:
    """The response of a typed view that raised `error`."""
    app = app or Flask(__name__)
    with app.test_request_context(path):
        return problems.problem_response(_cv_request.get(), error)


def test_a_problem_has_the_members_of_the_rfc() -> None:
    error = Problem(409, "Only 3 are left.", type="/problems/stock", title="Out", left=3)
    response = answered(error)
    assert response.status_code == 409
    assert response.content_type == "application/problem+json"
    assert response.json == {
        "type": "/problems/stock",
        "title": "Out",
        "status": 409,
        "detail": "Only 3 are left.",
        "instance": "/orders/7",
        "left": 3,
    }


def test_the_title_is_the_phrase_of_the_status_and_nothing_is_made_up() -> None:
    assert answered(Problem(429)).json == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "instance": "/orders/7",
    }


def test_a_problem_is_one_from_a_plain_view_too() -> None:
    def view(x: str) -> str:
        raise Problem(402, "Pay first.", headers={"Retry-After": "9"}, price=decimal.Decimal("1.5"))

    client = app_with(view, "/bücher/<x>").test_client()
    response = client.get("/bücher/a b")
    assert response.status_code == 402
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "9"
    assert response.json is not None
    assert response.json["instance"] == "/b%C3%BCcher/a%20b"
    assert response.json["price"] == "1.5"


@pytest.mark.parametrize("status", [200, 302, 399, 600, None])
def test_only_errors_are_problems(status: int | None) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        Problem(status)


def test_a_problem_is_also_werkzeugs_exception_of_its_status() -> None:
    assert isinstance(Problem(409), Conflict)
    assert isinstance(Problem(405, headers={"Allow": "GET"}), MethodNotAllowed)
    assert answered(Problem(405, headers={"Allow": "GET"})).headers["Allow"] == "GET"
    assert isinstance(Invalid([]), UnprocessableEntity)
    assert type(Problem(409)) is type(Problem(409)), "made once"
    assert not isinstance(Problem(418, "x"), NotFound)
    assert type(Problem(499)) is Problem


class OutOfStock(Problem):
    """Fewer are left than were ordered."""

    code = 409
    type = "/problems/out-of-stock"
    title = "Out of stock"
    description = "There are not enough."


def test_a_subclass_names_a_kind_once() -> None:
    body = answered(OutOfStock(left=3)).json
    assert body["type"] == "/problems/out-of-stock"
    assert body["title"] == "Out of stock"
    assert body["detail"] == "There are not enough."
    assert answered(OutOfStock(detail="Sold out.")).json["detail"] == "Sold out."
    assert "OutOfStock" in repr(OutOfStock())


@pytest.mark.parametrize("caught", [409, Conflict, Problem, OutOfStock, HTTPException])
def test_handlers_of_the_status_and_of_each_class_take_it(caught: Any) -> None:
    def view() -> str:
        raise OutOfStock(left=3)

    app = app_with(view)
    app.register_error_handler(caught, lambda error: (f"took {error.status}", 200))
    assert app.test_client().get("/").text == "took 409"


def test_flaws_are_listed_with_where_and_what_but_no_value() -> None:
    flaws = [
        Flaw(("query", "page"), "an integer of at least 1", "text"),
        Flaw(("body", "items", 3, "price"), "a number", "null"),
    ]
    response = answered(Invalid(flaws))
    assert response.status_code == 422
    assert response.json["errors"] == [
        {"location": ["query", "page"], "expected": "an integer of at least 1", "got": "text"},
        {"location": ["body", "items", 3, "price"], "expected": "a number", "got": "null"},
    ]
    assert response.json["detail"] == (
        "query.page: expected an integer of at least 1, got text. 2 values are wrong; see errors."
    )
    assert answered(Invalid(flaws[1:])).json["detail"] == (
        "body.items[3].price: expected a number, got null."
    )
    details = msgspec.json.decode(response.data, type=ProblemDetails)
    assert details.errors == flaws and details.status == 422


def test_what_is_not_well_formed_is_a_400() -> None:
    rejected = Rejected([Flaw(("body",), "JSON", "something else")], is_malformed=True)
    refused = problems.refusal_of(rejected)
    assert isinstance(refused, Malformed) and refused.status == 400
    assert answered(refused).json["errors"][0]["location"] == ["body"]
    assert problems.refusal_of(Rejected([])).status == 422
    assert "detail" not in answered(Invalid([])).json


def test_http_exceptions_keep_their_headers() -> None:
    cases: list[tuple[HTTPException, str, str]] = [
        (MethodNotAllowed(["GET", "HEAD"]), "Allow", "GET, HEAD"),
        (TooManyRequests(retry_after=7), "Retry-After", "7"),
        (Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "x"})),
         "WWW-Authenticate", 'Basic realm=x'),
        (Problem(415, headers=[("Accept", "application/json")]), "Accept", "application/json"),
    ]  # fmt: skip
    for error, name, value in cases:
        response = answered(error)
        assert response.headers[name] == value
        assert response.status_code == error.code
        assert response.headers.getlist("Content-Type") == ["application/problem+json"]
        assert response.json["status"] == error.code


def test_the_description_is_the_detail_without_markup() -> None:
    from markupsafe import Markup

    assert answered(NotFound("No <b>such</b> order")).json["detail"] == "No <b>such</b> order"
    assert answered(NotFound(Markup("No <b>such</b> order"))).json["detail"] == "No such order"
    assert answered(NotFound()).json["detail"].startswith("The requested URL was not found")
    assert answered(BadRequestKeyError("secret")).json["status"] == 400
    assert b"secret" not in answered(BadRequestKeyError("secret")).data


def test_a_description_that_is_a_mapping_gives_members() -> None:
    error = Conflict({"detail": "Too few.", "left": 3, "status": 200, "type": "/x"})  # type: ignore[arg-type]
    body = answered(error).json
    assert body["status"] == 409 and body["type"] == "/x"
    assert body["detail"] == "Too few." and body["left"] == 3


def test_an_exception_nobody_caught_tells_nothing() -> None:
    error = InternalServerError(original_exception=RuntimeError("password=x"))
    assert answered(error).json == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "instance": "/orders/7",
    }
    assert answered(InternalServerError("We know.")).json["detail"] == "We know."


def test_what_has_a_response_or_page_of_its_own_is_passed_through() -> None:
    assert answered(HTTPException(response=WerkzeugResponse("own", 404))).data == b"own"
    assert isinstance(answered(NotFound(response=WerkzeugResponse("own", 404))), Response)

    class Page(HTTPException):
        code = 409

        def get_body(self, environ: Any = None, scope: Any = None) -> str:
            return "<p>mine"

    assert answered(Page()).data == b"<p>mine"
    from werkzeug.routing import RequestRedirect

    assert answered(RequestRedirect("/elsewhere")).status_code == 308


def test_the_instance_is_a_uri_reference() -> None:
    assert answered(NotFound(), "/a b/ü").json["instance"] == "/a%20b/%C3%BC"
    app = Flask(__name__)
    with app.test_request_context("/x", environ_overrides={"SCRIPT_NAME": "/api"}):
        response = problems.problem_response(_cv_request.get(), NotFound())
    assert response.json["instance"] == "/api/x"
    assert answered(Problem(404, instance="/my/own")).json["instance"] == "/my/own"


def test_a_house_style_replaces_the_form() -> None:
    app = Flask(__name__)
    problems.replace(app, lambda problem: {"error": problem.status, "why": problem.detail})
    response = answered(MethodNotAllowed(["GET"]), app=app)
    assert response.json["error"] == 405
    assert response.status_code == 405 and response.headers["Allow"] == "GET"
    assert response.content_type == "application/json"
    problems.replace(app, lambda problem: ("busy", 503, {"X-A": "1"}))
    response = answered(NotFound(), app=app)
    assert response.status_code == 503 and response.headers["X-A"] == "1"
    problems.replace(app, lambda problem: Response("whole", 418))
    assert answered(NotFound(), app=app).status_code == 418


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_everywhere_takes_in_plain_views_and_unknown_urls(door: str) -> None:
    def view() -> Any:
        raise RuntimeError("secret")

    app = app_with(view)

    @app.get("/away")
    def away() -> Any:
        abort(redirect("/"))

    @app.get("/known")
    def known() -> Any:
        abort(418)

    app.register_error_handler(418, lambda error: "a handler nearer by")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    problems.everywhere(app)
    client = app.test_client(door=door)
    assert client.get("/away").status_code == 302
    assert client.get("/known").text == "a handler nearer by"
    missing = client.get("/nowhere")
    assert missing.status_code == 404
    assert missing.content_type == "application/problem+json"
    refused = client.delete("/")
    assert refused.json["status"] == 405 and "GET" in refused.headers["Allow"]
    broken = client.get("/")
    assert broken.json["status"] == 500 and "secret" not in broken.text


def test_members_take_what_json_has_a_form_for() -> None:
    body = answered(Problem(409, at=datetime.date(2026, 1, 2), half="\ud800")).json
    assert body["at"] == "2026-01-02" and body["half"] == "\ud800"
    with pytest.raises(TypeError, match="no form in JSON"):
        answered(Problem(409, what=object()))
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Left", number=(int, ...))
    assert answered(Problem(409, left=model(number=3))).json["left"] == {"number": 3}


members = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1).filter(
        lambda name: (
            name not in {"self", "status", "detail", "title", "type", "instance", "headers"}
        )
    ),
    st.none() | st.integers(-(2**53), 2**53) | st.text() | st.lists(st.booleans()),
)


@given(
    st.integers(400, 599),
    st.none() | st.text(),
    st.text(min_size=1),
    members,
)
def test_what_was_sent_is_what_a_client_parses(
    status: int, detail: str | None, title: str, extensions: dict[str, Any]
) -> None:
    body = problems.dump_members(Problem(status, detail, title=title, **extensions).members())
    read = problems.parse_problem(body, status)
    assert (read.status, read.detail, read.title) == (status, detail, title)
    assert read.extensions == extensions


@given(st.recursive(st.none() | st.integers() | st.text(), lambda part: st.lists(part)) | members)
def test_parsing_raises_nothing_but_value_error(value: Any) -> None:
    body = json.dumps({**value, "type": 7} if isinstance(value, dict) else value)
    try:
        read = problems.parse_problem(body, 404)
    except ValueError:
        assert not isinstance(value, dict)
    else:
        assert read.status == 404 and read.type == "about:blank"
