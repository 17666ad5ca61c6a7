from jwt_app import create_app


def tokens(browser, **wish):
    return browser.send_json("/token", {"name": "ada", **wish}).json


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_token_opens_the_door_and_nothing_else_does(serve):
    browser = serve(create_app())
    token = tokens(browser)["access"]
    assert browser.get("/me", **bearer(token)).json == {"me": "ada"}
    assert browser.get("/me").status == 401
    assert browser.get("/me", **bearer("junk")).status == 422
    assert browser.get("/me", **bearer(token[:-3] + "abc")).status == 422
    assert browser.get("/me", **bearer(tokens(browser, name="ghost")["access"])).status == 401


def test_an_old_token_is_refused_and_a_refreshed_one_is_not_fresh(serve):
    browser = serve(create_app())
    assert browser.get("/me", **bearer(tokens(browser, seconds=-9)["access"])).status == 401
    both = tokens(browser)
    assert browser.send("POST", "/refresh", headers=bearer(both["access"])).status == 422
    renewed = browser.send("POST", "/refresh", headers=bearer(both["refresh"])).json["access"]
    assert browser.get("/me", **bearer(renewed)).status == 200
    assert browser.get("/fresh", **bearer(renewed)).status == 401
    assert browser.get("/fresh", **bearer(both["access"])).json == {"fresh": True}


def test_an_optional_token_may_be_absent(serve):
    browser = serve(create_app())
    assert browser.get("/maybe").json == {"me": None}
    assert browser.get("/maybe", **bearer(tokens(browser)["access"])).json == {"me": "ada"}


def test_a_revoked_token_stays_out(serve):
    browser = serve(create_app())
    token = tokens(browser)["access"]
    assert browser.send("POST", "/revoke", headers=bearer(token)).status == 204
    assert browser.get("/me", **bearer(token)).status == 401


def test_a_cookie_needs_the_token_against_forgery(serve):
    browser = serve(create_app())
    assert browser.send("POST", "/cookie").json == {"login": True}
    assert browser.send("POST", "/protected").status == 401
    token = {"X-CSRF-TOKEN": browser.cookies["csrf_access_token"]}
    assert browser.send("POST", "/protected", headers=token).json == {"ok": True}
    assert "access_token_cookie" not in browser.cookies
