import json

from smorest_app import create_app


def test_pets_are_made_listed_and_deleted(serve):
    browser = serve(create_app())
    for name in ("rex", "tom", "rex"):
        assert browser.send_json("/pets/", {"name": name}).status == 201
    reply = browser.get("/pets/?name=rex&page_size=1&page=2")
    assert reply.json == [{"id": 3, "name": "rex"}]
    assert json.loads(reply.headers["X-Pagination"])["total"] == 2
    assert browser.send("DELETE", "/pets/1").status == 204
    missing = browser.get("/pets/1")
    assert (missing.status, missing.json["message"]) == (404, "no such pet")


def test_wrong_pets_are_refused_with_reasons(serve):
    browser = serve(create_app())
    reply = browser.send_json("/pets/", {"name": "much too long a name", "x": 1})
    assert reply.status == 422
    assert sorted(reply.json["errors"]["json"]) == ["name", "x"]
    assert browser.send("POST", "/pets/", b"{", {"Content-Type": "application/json"}).status == 400
    wrong = browser.send("PUT", "/pets/")
    assert (wrong.status, wrong.json["status"]) == (405, "Method Not Allowed")


def test_an_unchanged_pet_is_not_sent_again(serve):
    browser = serve(create_app())
    browser.send_json("/pets/", {"name": "rex"})
    etag = browser.get("/pets/1").headers["ETag"]
    assert browser.get("/pets/1", If_None_Match=etag).status == 304


def test_the_api_describes_itself(serve):
    browser = serve(create_app())
    document = browser.get("/openapi.json").json
    assert sorted(document["paths"]) == ["/pets/", "/pets/{pet_id}"]
    assert document["paths"]["/pets/{pet_id}"]["parameters"][0]["schema"]["type"] == "integer"
    assert document["info"]["title"] == "Pets"
