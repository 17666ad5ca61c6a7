from caching_app import calls, create_app


def test_a_cached_page_calls_its_view_once(serve):
    browser = serve(create_app())
    assert browser.get("/page").text == browser.get("/page").text == "page 1"
    assert calls == ["page"]


def test_query_strings_are_told_apart_whatever_their_order(serve):
    browser = serve(create_app())
    assert browser.get("/query?q=1&z=2").text == "1 1"
    assert browser.get("/query?z=2&q=1").text == "1 1"
    assert browser.get("/query?q=2").text == "2 2"


def test_a_memoized_function_remembers_until_told_to_forget(serve):
    browser = serve(create_app())
    assert [browser.get(f"/square/{n}").text for n in (3, 3, 4)] == ["9", "9", "16"]
    assert calls == [3, 4]
    assert browser.send("POST", "/forget/3").status == 204
    assert browser.get("/square/3").text == "9"
    assert calls == [3, 4, 3]


def test_unless_goes_around_the_cache(serve):
    browser = serve(create_app())
    assert browser.get("/unless").json == browser.get("/unless").json == {"calls": 1}
    assert browser.get("/unless?fresh=1").json == {"calls": 2}


def test_a_fragment_of_a_template_is_kept(serve):
    browser = serve(create_app())
    assert browser.get("/fragment").text == "part 1 whole 1"
    assert browser.get("/fragment").text == "part 1 whole 2"
