from login_app import create_app


def test_a_stranger_is_sent_to_the_login_page(serve):
    browser = serve(create_app())
    reply = browser.get("/members")
    assert reply.status == 302
    assert reply.headers["Location"] == "/login?next=%2Fmembers"
    assert browser.get("/who").text == "nobody"


def test_a_member_logs_in_and_out(serve):
    browser = serve(create_app())
    assert browser.post_form("/login", {"name": "ada", "password": "x"}).status == 401
    reply = browser.post_form("/login?next=/who", {"name": "ada", "password": "lovelace"})
    assert (reply.status, reply.headers["Location"]) == (302, "/who")
    assert browser.get("/members").text == "hello ada"
    assert browser.get("/secret").text == "fresh"
    assert "Cookie" in browser.get("/members").headers["Vary"]
    assert browser.send("POST", "/logout").text == "bye"
    assert browser.get("/members").status == 302


def test_a_remembered_member_comes_back_but_is_not_fresh(serve):
    browser = serve(create_app())
    browser.post_form("/login", {"name": "bob", "password": "builder", "remember": "1"})
    assert "remember_token" in browser.cookies
    del browser.cookies["session"]
    assert browser.get("/members").text == "hello bob"
    assert browser.get("/secret").status == 302


def test_a_forged_token_is_no_login(serve):
    browser = serve(create_app())
    browser.cookies["remember_token"] = "ada|0000"
    assert browser.get("/members").status == 302


def test_a_request_loader_needs_no_cookie(serve):
    browser = serve(create_app())
    reply = browser.get("/members", X_Api_User="ada")
    assert reply.text == "hello ada"
