"""Views as classes."""

import pytest

import hipflask
from hipflask import Flask, g, request
from hipflask.views import MethodView, View, http_method_funcs


@pytest.fixture
def app():
    return Flask("shop")


@pytest.fixture
def client(app):
    return app.test_client()


class Echo(View):
    """Says what it was made with and asked for."""

    methods = ["GET", "POST"]

    def __init__(self, *args, **kwargs):
        self.made_with = (args, kwargs)

    def dispatch_request(self, **kwargs):
        return {"made_with": self.made_with, "asked": kwargs, "method": request.method}


def test_view_gets_class_arguments_and_url_variables(app, client):
    app.add_url_rule("/<int:n>", view_func=Echo.as_view("echo", 1, b=2))
    assert client.post("/7").json == {
        "made_with": [[1], {"b": 2}],
        "asked": {"n": 7},
        "method": "POST",
    }
    assert client.put("/7").status_code == 405


def test_view_function_carries_name_documentation_and_settings():
    class Silent(Echo):
        """Fewer options."""

        provide_automatic_options = False

    view = Silent.as_view("silent")
    assert view.__name__ == "silent"
    assert view.__doc__ == "Fewer options."
    assert view.__module__ == __name__
    assert view.view_class is Silent
    assert view.methods == ["GET", "POST"]
    assert view.provide_automatic_options is False


def test_name_is_the_endpoint(app):
    app.add_url_rule("/", view_func=Echo.as_view("hello"))
    assert app.view_functions["hello"].view_class is Echo


def test_view_without_dispatch_request_is_not_implemented():
    with pytest.raises(NotImplementedError):
        View().dispatch_request()


def test_an_instance_is_made_for_each_request(app, client):
    made = []

    class Counted(View):
        def __init__(self):
            made.append(self)

        def dispatch_request(self):
            return str(len(made))

    app.add_url_rule("/", view_func=Counted.as_view("counted"))
    assert made == []
    assert [client.get("/").text, client.get("/").text] == ["1", "2"]


def test_one_instance_serves_all_if_asked(app, client):
    made = []

    class Counted(View):
        init_every_request = False

        def __init__(self):
            made.append(self)

        def dispatch_request(self):
            g.seen = True
            return str(len(made))

    app.add_url_rule("/", view_func=Counted.as_view("counted"))
    assert len(made) == 1
    assert [client.get("/").text, client.get("/").text] == ["1", "1"]


def test_replaced_view_class_is_used(app, client):
    class Other(Echo):
        def dispatch_request(self):
            return "other"

    view = Echo.as_view("echo")
    view.view_class = Other
    app.add_url_rule("/", view_func=view)
    assert client.get("/").text == "other"


def test_decorators_apply_in_order_and_the_result_is_marked(app, client):
    seen = []

    def note(label):
        def decorate(f):
            seen.append((label, f.__name__, f.__module__))

            def wrapper(**kwargs):
                return f"{label}({f(**kwargs)})"

            return wrapper

        return decorate

    class Decorated(View):
        decorators = [note("a"), note("b")]

        def dispatch_request(self):
            return "x"

    view = Decorated.as_view("decorated")
    assert seen[0] == ("a", "decorated", __name__)
    assert view.__name__ == "decorated"
    assert view.view_class is Decorated
    app.add_url_rule("/", view_func=view)
    assert client.get("/").text == "b(a(x))"


def test_automatic_options_can_be_refused_and_forced(app, client):
    class Refused(View):
        provide_automatic_options = False

        def dispatch_request(self):
            return ""

    class Forced(View):
        methods = ["OPTIONS"]
        provide_automatic_options = True

        def dispatch_request(self):
            return "never"

    app.add_url_rule("/refused", view_func=Refused.as_view("refused"))
    app.add_url_rule("/forced", view_func=Forced.as_view("forced"))
    assert client.options("/refused").status_code == 405
    answer = client.options("/forced")
    assert (answer.text, sorted(answer.allow)) == ("", ["OPTIONS"])


def test_http_method_funcs_are_the_eight_of_http():
    assert sorted(http_method_funcs) == [
        "delete", "get", "head", "options", "patch", "post", "put", "trace",
    ]  # fmt: skip


class Reader(MethodView):
    def get(self, **kwargs):
        return request.method, 200, {"X-Method": request.method}


class Writer(MethodView):
    def post(self):
        return "post"

    def connect(self):
        return "not a method of a view"


def test_method_view_offers_what_it_defines():
    assert MethodView.methods is None
    assert Reader.methods == {"GET"}
    assert Writer.methods == {"POST"}


def test_method_view_offers_what_its_bases_offer():
    class Both(Reader, Writer):
        def delete(self):
            return "delete"

    assert Both.methods == {"GET", "POST", "DELETE"}


def test_method_view_bases_add_methods_that_have_no_function():
    class Parent(MethodView):
        methods = ["GET", "PROPFIND"]

    class Child(Parent):
        def propfind(self):
            return "found"

    assert Child.methods == {"GET", "PROPFIND"}


def test_method_view_methods_set_by_hand_are_kept():
    class Narrow(Reader, Writer):
        methods = ["GET"]

    assert Narrow.methods == ["GET"]


def test_method_view_dispatches_by_method(app, client):
    class Both(Reader, Writer):
        pass

    app.add_url_rule("/", view_func=Both.as_view("both"))
    assert client.get("/").text == "GET"
    assert client.post("/").text == "post"
    assert client.delete("/").status_code == 405
    assert sorted(client.options("/").allow) == ["GET", "HEAD", "OPTIONS", "POST"]


def test_head_falls_to_get_unless_defined(app, client):
    class Headed(Reader):
        def head(self):
            return "", 200, {"X-Method": "own head"}

    app.add_url_rule("/reader", view_func=Reader.as_view("reader"))
    app.add_url_rule("/headed", view_func=Headed.as_view("headed"))
    plain = client.head("/reader")
    assert (plain.data, plain.headers["X-Method"]) == (b"", "HEAD")
    assert client.head("/headed").headers["X-Method"] == "own head"


def test_method_let_through_but_not_defined(app):
    with app.test_request_context(method="POST"):
        with pytest.raises(
            AssertionError, match=r"Unimplemented method 'POST': Reader has no post"
        ):
            Reader().dispatch_request()


def test_subclass_hook_takes_class_keywords():
    class Tagged(MethodView):
        def __init_subclass__(cls, tag=None, **kwargs):
            super().__init_subclass__(**kwargs)
            cls.tag = tag

    class Own(Tagged, tag="x"):
        def put(self):
            return ""

    assert Own.tag == "x"
    assert Own.methods == {"PUT"}


def test_async_methods_run_under_wsgi(app, client):
    class Later(MethodView):
        async def get(self):
            return "later"

    class Once(View):
        init_every_request = False

        async def dispatch_request(self):
            return "once"

    app.add_url_rule("/later", view_func=Later.as_view("later"))
    app.add_url_rule("/once", view_func=Once.as_view("once"))
    assert client.get("/later").text == "later"
    assert client.get("/once").text == "once"


def test_module_is_public():
    assert hipflask.views.View is View
