from limiter_app import create_app


def statuses(browser, path, times):
    return [browser.get(path).status for _ in range(times)]


def test_the_default_limit_counts_per_view_and_says_so(serve):
    browser = serve(create_app())
    reply = browser.get("/default")
    assert (reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-Remaining"]) == (
        "3",
        "2",
    )
    assert statuses(browser, "/default", 3) == [200, 200, 429]


def test_a_limit_of_a_views_own_has_its_message(serve):
    browser = serve(create_app())
    assert browser.get("/strict").status == 200
    reply = browser.get("/strict")
    assert (reply.status, reply.json) == (429, {"too_many": "only once"})
    assert int(reply.headers["Retry-After"]) > 0


def test_clients_are_counted_apart(serve):
    browser = serve(create_app())
    assert browser.get("/strict", X_Client="a").status == 200
    assert browser.get("/strict", X_Client="b").status == 200
    assert browser.get("/strict", X_Client="a").status == 429


def test_exempt_views_methods_and_blueprints(serve):
    browser = serve(create_app())
    assert statuses(browser, "/free", 5) == [200] * 5
    assert statuses(browser, "/bp/a", 3) == [200, 200, 429]
    assert [browser.send("POST", "/posts").status for _ in range(2)] == [200, 429]
    assert browser.get("/posts").status == 200
