from cors_app import create_app

ALLOW = "Access-Control-Allow-Origin"


def preflight(browser, path, origin, method):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return browser.send("OPTIONS", path, headers=headers)


def test_a_good_origin_is_told_so(serve):
    browser = serve(create_app())
    reply = browser.get("/api/items", Origin="https://good.example")
    assert reply.json == {"items": []}
    assert reply.headers[ALLOW] == "https://good.example"
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert reply.headers["Access-Control-Expose-Headers"] == "X-Total"
    assert "Origin" in reply.headers["Vary"]
    assert browser.get("/api/items", Origin="https://a.dot.example").headers[ALLOW]


def test_other_origins_and_paths_get_no_permission(serve):
    browser = serve(create_app())
    assert browser.get("/api/items", Origin="https://evil.example").headers[ALLOW] is None
    assert browser.get("/closed", Origin="https://good.example").headers[ALLOW] is None


def test_a_preflight_is_answered_without_calling_the_view(serve):
    browser = serve(create_app())
    reply = preflight(browser, "/api/items", "https://good.example", "PUT")
    assert reply.status == 200
    assert reply.headers["Access-Control-Max-Age"] == "60"
    assert "PUT" in reply.headers["Access-Control-Allow-Methods"]
    assert "PUT" in reply.headers["Allow"]


def test_error_answers_carry_the_headers_too(serve):
    browser = serve(create_app())
    for path, status in (("/api/broken", 500), ("/api/nowhere", 404)):
        reply = browser.get(path, Origin="https://good.example")
        assert (reply.status, reply.headers[ALLOW]) == (status, "https://good.example")


def test_the_decorator_and_a_blueprint_have_their_own_rules(serve):
    browser = serve(create_app())
    reply = browser.get("/open", Origin="https://any.example")
    assert reply.headers[ALLOW] == "https://any.example"
    assert browser.get("/bp/", Origin="https://bp.example").headers[ALLOW] == "https://bp.example"
    assert preflight(browser, "/open", "https://any.example", "GET").headers[ALLOW]
