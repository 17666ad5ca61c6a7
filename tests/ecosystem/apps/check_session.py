from session_app import create_app


def test_the_cookie_is_only_a_name_for_what_the_server_keeps(serve, tmp_path):
    browser = serve(create_app(str(tmp_path)))
    reply = browser.send("POST", "/add/1234567")
    assert reply.json == [1234567]
    assert "SameSite=Lax" in reply.headers["Set-Cookie"]
    assert "1234567" not in browser.cookies["sid"]
    assert browser.send("POST", "/add/8").json == [1234567, 8]
    found = browser.get("/basket").json
    assert found == {"basket": [1234567, 8], "messages": ["added 1234567", "added 8"]}
    assert browser.get("/basket").json["messages"] == []


def test_two_browsers_do_not_share(serve, tmp_path):
    app = create_app(str(tmp_path))
    first, second = serve(app), serve(app)
    first.send("POST", "/add/1")
    assert second.get("/basket").json["basket"] == []


def test_a_renewed_session_has_a_new_name_and_the_old_content(serve, tmp_path):
    browser = serve(create_app(str(tmp_path)))
    browser.send("POST", "/add/1")
    before = browser.cookies["sid"]
    browser.send("POST", "/renew")
    assert browser.cookies["sid"] != before
    assert browser.get("/basket").json["basket"] == [1]


def test_a_cleared_session_is_forgotten(serve, tmp_path):
    browser = serve(create_app(str(tmp_path)))
    browser.send("POST", "/add/1")
    browser.send("POST", "/clear")
    assert browser.get("/basket").json["basket"] == []


def test_an_untouched_session_sets_no_cookie(serve, tmp_path):
    browser = serve(create_app(str(tmp_path)))
    assert browser.get("/plain").headers["Set-Cookie"] is None
