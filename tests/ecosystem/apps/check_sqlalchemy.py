from sqlalchemy_app import create_app


def open_shelf(serve, tmp_path):
    return serve(create_app(f"sqlite:///{tmp_path / 'books.db'}"))


def test_books_are_kept_and_paged(serve, tmp_path):
    browser = open_shelf(serve, tmp_path)
    for title in ("c", "a", "b"):
        assert browser.send_json("/books", {"title": title}).status == 201
    first = browser.get("/books").json
    assert (first["total"], first["pages"]) == (3, 2)
    assert [b["title"] for b in first["items"]] == ["a", "b"]
    assert [b["title"] for b in browser.get("/books?page=2").json["items"]] == ["c"]
    assert browser.get("/books?page=9").status == 404
    assert browser.get("/books/1").json == {"id": 1, "title": "c"}
    assert browser.get("/books/9").status == 404


def test_a_conflict_is_answered_and_the_session_usable_again(serve, tmp_path):
    browser = open_shelf(serve, tmp_path)
    assert browser.send_json("/books", {"title": "one"}).status == 201
    reply = browser.send_json("/books", {"title": "one"})
    assert (reply.status, reply.json) == (409, {"error": "IntegrityError"})
    assert browser.send_json("/books", {"title": "two"}).status == 201


def test_what_was_not_committed_is_gone_with_the_request(serve, tmp_path):
    browser = open_shelf(serve, tmp_path)
    assert browser.send_json("/abandoned", {}).json == {"flushed": True}
    assert browser.get("/books").json["total"] == 0
