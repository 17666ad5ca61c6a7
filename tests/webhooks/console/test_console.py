"""The console: who gets in, what it shows, what its forms do, and what it lets nobody do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from hipflask import Flask
from hipflask.database import StoreUnavailable
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, Identity, hash_key, hashed_keys, public, roles
from hipflask.webhooks import Hooks

KEY = "key_0123456789abcdefghijklmnop"
OPERATOR = {"X-API-Key": KEY}
STRANGER = {"X-API-Key": "key_stranger_0123456789abcdefgh"}


@pytest.fixture
def site(shop):
    shop.app.identities = [
        ApiKey(
            hashed_keys(
                {
                    hash_key(KEY): Identity("ada", roles={"operator"}),
                    hash_key(STRANGER["X-API-Key"]): Identity("eve"),
                }
            )
        )
    ]
    shop.hooks.console(access=roles("operator"))
    return shop


@pytest.fixture
def get(site):
    def get(path, status=200, **headers):
        answer = site.client.get(f"/_hooks{path}", headers={**OPERATOR, **headers})
        assert answer.status_code == status, answer.text
        return answer.text

    return get


@pytest.fixture
def post(site):
    def post(path, data, status=303, headers=()):
        headers = {**OPERATOR, "Sec-Fetch-Site": "same-origin", **dict(headers)}
        answer = site.client.post(f"/_hooks{path}", data=data, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    return post


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def words(text):
    return re.sub(r"\s+", " ", Page(text).words)


# Who gets in.


def test_there_is_no_console_unless_it_is_asked_for(shop):
    assert shop.client.get("/_hooks/").status_code == 404


@pytest.mark.parametrize("access", [None, "operator", True, roles])
def test_nothing_opens_it_but_a_stance(shop, access):
    with pytest.raises(SetupError, match=r"say who may see .* access=roles\('operator'\)"):
        shop.hooks.console(access=access)
    with pytest.raises(TypeError):
        shop.hooks.console()


def test_what_cannot_be_is_refused_at_once(shop):
    for path in ("hooks", "/hooks/", "/<x>"):
        with pytest.raises(SetupError, match="write it like '/_hooks'"):
            shop.hooks.console(access=public, path=path)
    shop.hooks.console(access=public)
    with pytest.raises(SetupError, match="have a console already"):
        shop.hooks.console(access=public)
    with pytest.raises(SetupError, match="needs an application"):
        Hooks().console(access=public)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/events"),
        ("GET", "/outgoing"),
        ("GET", "/events/1"),
        ("GET", "/events/1/body"),
        ("POST", "/events/1/move"),
        ("GET", "/events/bulk"),
        ("POST", "/events/bulk"),
        ("POST", "/events/lane"),
    ],
)
def test_every_page_asks_who_calls(site, method, path):
    site.deliver()
    for headers, status in (({}, 401), (STRANGER, 403)):
        answer = site.client.open(f"/_hooks{path}", method=method, headers=headers)
        assert answer.status_code == status
        assert "github" not in answer.text


def test_it_may_stand_elsewhere(shop):
    shop.hooks.console(access=public, path="/inner/hooks")
    page = shop.client.get("/inner/hooks/").text
    assert 'href="/inner/hooks/events"' in page


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_it_answers_on_every_door(site, door):
    client = site.app.test_client(door=door)
    assert client.get("/_hooks/", headers=OPERATOR).status_code == 200


# What it shows.


def test_the_overview_has_every_source_and_destination_in_figures(site, get):
    for number in range(3):
        site.deliver(f"id{number}", repository={"id": number}, do="permanent" if not number else "")
    site.deliver("id1", repository={"id": 1}, do="")
    site.hooks.work()
    text = words(get("/"))
    assert "Waiting 0" in text and "Dead 1" in text and "Received, 30 days 3" in text
    github = text[text.index("github GitHub") :]
    figures = re.findall(r"\d+|–", github)[:8]
    # received, done, waiting, oldest, dead, parked, duplicates, conflicts
    assert figures == ["3", "2", "0", "–", "1", "0", "1", "0"]
    assert "stripe Stripe 0 0 0" in text
    assert "chat address in CHAT_URL, breaker closed 2 0 2" in text


def test_the_last_hour_is_told_in_words_too(site, get):
    site.deliver()
    charts = [each["aria-label"] for each in Page(get("/")).all("svg")]
    assert charts[0] == "1 in the last hour, at most 1 in two minutes"
    assert charts[1] == "0 in the last hour"


def test_without_anything_it_says_so(tmp_path):
    app = Flask("empty", instance_path=str(tmp_path))
    hooks = Hooks(app, inbox=f"sqlite:///{tmp_path}/inbox.db")
    hooks.console(access=public)
    text = words(app.test_client().get("/_hooks/").text)
    assert "has no source yet" in text and "sends nothing on" in text
    hooks.stop()


def test_rows_of_a_source_that_is_gone_are_shown(site, get):
    site.deliver()
    del site.hooks.sources["github"]
    assert "not in the application any more" in words(get("/"))
    assert "push" in words(get("/events"))


def test_events_are_listed_and_filtered_by_the_address(site, get):
    site.deliver("a", repository={"id": 1}, do="permanent")
    site.deliver("b", repository={"id": 2})
    site.deliver("c", event="issues", repository={"id": 3})
    site.hooks.work()

    def found(query):
        links = [each.get("href") or "" for each in Page(get(f"/events{query}")).all("a")]
        return sorted({int(link.rsplit("/")[-1]) for link in links if re.search(r"s/\d+$", link)})

    first, second, third = (row.seq for row in site.rows())
    assert found("") == [first, second, third]
    assert found("?state=dead") == [first]
    assert found("?state=dead&state=filtered") == [first, third]
    assert found("?lane=github&key=2") == [second]
    assert found("?text=issues") == [third]
    assert found("?since=1h") == [first, second, third]
    assert found("?until=1h") == found("?lane=stripe") == []
    assert "no such thing" in words(get("/events?state=dead"))


def test_filters_that_make_no_sense_are_told(get):
    assert "'nope' is no state; states are received," in words(get("/events?state=nope", 400))
    assert "'soon' is no time" in words(get("/events?since=soon", 400))
    assert "text has a character that no row has" in words(get("/events?text=%00", 400)).lower()
    assert words(get("/events?state=&lane=&since=")), "an empty form selects everything"


def test_a_number_that_no_row_has_is_no_row(site, get, post):
    site.deliver()
    get(f"/events/{2**63}", 404)
    get(f"/events/{2**63}/body", 404)
    assert "push" in words(get(f"/events?before={2**63}")), "as if it were not there"
    post("/events/bulk", {"action": "park", "seqs": str(2**63)}, 400)
    assert site.states() == ["received"]


def test_the_list_names_the_sources_without_counting_all_that_is_stored(site, get, monkeypatch):
    site.deliver()
    del site.hooks.sources["github"]
    monkeypatch.setattr(type(site.hooks.inbox), "figures", lambda self: 1 / 0)
    assert "<option>github</option>" in get("/events")


def test_long_lists_have_pages(site, get, monkeypatch):
    from hipflask.webhooks.console import rows

    monkeypatch.setattr(rows, "PAGE", 2)
    for number in range(5):
        site.deliver(f"id{number}")
    seen = []
    path = "/events?lane=github"
    while path:
        page = Page(get(path))
        links = [each.get("href") or "" for each in page.all("a")]
        seen += [link for link in links if re.search(r"events/\d+$", link)]
        older = [each["href"] for each in page.all("a") if each.get("rel") == "next"]
        path = older[0].removeprefix("/_hooks") if older else ""
        assert "lane=github" in path or not path
    assert len(seen) == len(set(seen)) == 5


def test_an_event_is_shown_whole(site, get):
    site.deliver("the-id", repository={"id": 7}, text="hello <b>", do="permanent")
    site.hooks.work()
    seq = site.rows()[0].seq
    page = get(f"/events/{seq}")
    text = words(page)
    assert f"push #{seq} dead" in text
    assert "no such thing" in text and "\x1b" not in page
    assert "hello <b>" not in page and "hello &lt;b&gt;" in page
    assert "the-id not signed" in text and "github, secret 1" in text
    assert "X-Github-Eventpush" in text
    assert "received → running" in text and "running → dead" in text


def test_secrets_in_headers_are_left_out(site, get):
    data = b"{}"
    from hipflask.webhooks import sign

    from ..shop import SECRET

    headers = [
        *sign("github", data, SECRET, id="a"),
        ("Authorization", "Bearer hunter2"),
        ("X-Own-Token", "hunter2"),
    ]
    assert site.client.post("/github", data=data, headers=headers).status_code == 202
    page = get(f"/events/{site.rows()[0].seq}")
    assert "hunter2" not in page and words(page).count("(redacted)") == 2


def test_what_an_event_led_to_is_shown(site, get):
    site.deliver(text="to the room")
    site.hooks.work()
    event, request = site.rows()[0], site.rows("outbox")[0]
    assert f"/_hooks/outgoing/{request.seq}" in get(f"/events/{event.seq}")
    page = get(f"/outgoing/{request.seq}")
    text = words(page)
    assert "POST /room" in text and "no answer after" in text and "to the room" in text
    assert f"/_hooks/events/{event.seq}" in page and "tell" in text


def test_a_body_is_downloaded_and_never_shown_by_the_browser(site):
    site.deliver(text="<script>")
    answer = site.client.get(f"/_hooks/events/{site.rows()[0].seq}/body", headers=OPERATOR)
    assert answer.data == b'{"delivery": "one", "text": "<script>"}'
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_what_is_not_there_is_a_page(get):
    assert "There is no row 99" in words(get("/events/99", 404))
    assert "has no body" in words(get("/events/99/body", 404))


def test_a_large_body_is_cut(site, get):
    site.deliver(text="x" * 200_000)
    page = get(f"/events/{site.rows()[0].seq}")
    assert len(page) < 80_000 and "The beginning; the download has all of it." in page


# What its forms do.


def test_a_dead_event_is_replayed_and_who_did_it_is_written_down(site, get, post):
    site.deliver(do="permanent")
    site.hooks.work()
    seq = site.rows()[0].seq
    answer = post(f"/events/{seq}/move", {"action": "replay", "note": "fixed \x1b now"})
    assert site.states() == ["received"]
    page = words(get(answer.location.removeprefix("/_hooks")))
    assert "Done: replayed." in page
    move = site.hooks.inbox.audit(seq)[-1]
    assert (move.actor, move.old, move.new) == ("ada", "dead", "received")
    assert move.note == "fixed \\u001b now"
    again = post(f"/events/{seq}/move", {"action": "replay"})
    assert "Nothing moved" in words(get(again.location.removeprefix("/_hooks")))


@pytest.mark.parametrize(
    ("action", "state"), [("dead", "dead"), ("park", "parked"), ("replay", "received")]
)
def test_each_action_moves(site, post, action, state):
    site.deliver()
    if action == "replay":
        site.hooks.work()
    post(f"/events/{site.rows()[0].seq}/move", {"action": action})
    assert site.states() == [state]


def test_a_dead_event_is_resolved_by_hand(site, post):
    site.deliver(do="permanent")
    site.hooks.work()
    post(f"/events/{site.rows()[0].seq}/move", {"action": "resolve"})
    assert site.states() == ["done"] and len(site.handled) == 1


def test_only_what_may_be_done_is_offered(site, get):
    site.deliver()
    seq = site.rows()[0].seq

    def offered():
        return [
            each["value"]
            for each in Page(get(f"/events/{seq}")).all("button")
            if each.get("name") == "action"
        ]

    assert offered() == ["dead", "park"]
    site.hooks.work()
    assert offered() == ["replay"]


def test_many_are_moved_after_a_preview_and_only_those_it_counted(site, get, post):
    for number in range(3):
        site.deliver(f"id{number}", do="permanent")
    site.hooks.work()
    page = get("/events/bulk?action=replay&state=dead")
    assert "Replay 3 events: 3 dead" in words(page)
    assert site.states() == ["dead"] * 3, "a preview moves nothing"
    form = {
        each["name"]: each.get("value")
        for each in Page(page).all("input")
        if each.get("type") == "hidden"
    }
    site.deliver("later", do="permanent")
    site.hooks.work()
    answer = post("/events/bulk", {**form, "action": "replay"}, 200)
    assert "3 replayed" in words(answer.text)
    assert site.states() == ["received"] * 3 + ["dead"]
    assert {site.hooks.inbox.audit(row.seq)[-1].actor for row in site.rows()[:3]} == {"ada"}


def test_a_preview_narrows_to_what_the_action_moves(site, get):
    site.deliver("a", do="permanent")
    site.hooks.work()
    site.deliver("b")
    assert "Mark dead 1 event: 1 received" in words(get("/events/bulk?action=dead"))
    assert "can be moved so" in words(get("/events/bulk?action=resolve&state=done"))


def test_more_than_a_press_of_a_button_moves_is_said(site, get, post, monkeypatch):
    from hipflask.webhooks.console import views

    monkeypatch.setattr(views, "MOST_AT_ONCE", 2)
    for number in range(3):
        site.deliver(f"id{number}")
    assert "More than 2 match" in words(get("/events/bulk?action=park"))
    post("/events/bulk", {"action": "park", "seqs": "1 2 3"}, 400)
    post("/events/bulk", {"action": "park", "seqs": "1 x"}, 400)
    post("/events/bulk", {"action": "explode", "seqs": "1"}, 400)


def test_a_source_is_paused_and_resumed(site, get, post, caplog):
    site.deliver()
    post("/events/lane", {"lane": "github", "action": "pause"})
    site.hooks.work()
    assert site.states() == ["received"] and "paused" in words(get("/"))
    post("/events/lane", {"lane": "github", "action": "resume"})
    site.hooks.work()
    assert site.states() == ["done"]
    assert [text for text in caplog.messages if text.startswith("ada ")] == [
        "ada paused github",
        "ada resumed github",
    ]
    post("/events/lane", {"lane": "nobody", "action": "pause"}, 404)


# What it lets nobody do.


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
def test_a_form_of_another_site_is_refused(site, headers):
    site.deliver()
    for path, data in (
        (f"/events/{site.rows()[0].seq}/move", {"action": "dead"}),
        ("/events/bulk", {"action": "dead", "seqs": "1"}),
        ("/events/lane", {"lane": "github", "action": "pause"}),
    ):
        answer = site.client.post(f"/_hooks{path}", data=data, headers={**OPERATOR, **headers})
        assert answer.status_code == 403 and "another site" in answer.text
    assert site.states() == ["received"]


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}])
def test_our_own_form_and_a_program_are_not(site, headers):
    site.deliver()
    path = f"/_hooks/events/{site.rows()[0].seq}/move"
    answer = site.client.post(path, data={"action": "park"}, headers={**OPERATOR, **headers})
    assert answer.status_code == 303


def test_nothing_is_moved_by_a_get(site):
    site.deliver()
    path = f"/_hooks/events/{site.rows()[0].seq}/move"
    assert site.client.get(path, headers=OPERATOR).status_code == 405


def test_while_the_store_is_away_there_is_a_page(site, monkeypatch):
    def away(*args, **named):
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(type(site.hooks.inbox), "figures", away)
    answer = site.client.get("/_hooks/", headers=OPERATOR)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The store does not answer: disk full" in answer.text


# How it is made.


def pages(site, get):
    site.deliver(do="permanent", repository={"id": 1})
    site.hooks.work()
    site.deliver("b", text="b")
    site.hooks.work()
    paths = ("/", "/events", f"/events/{site.rows()[0].seq}", "/outgoing", "/outgoing/1")
    return [get(path) for path in (*paths, "/events/bulk?action=replay")]


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(site, get):
    for text in pages(site, get):
        page = Page(text)
        assert "<style" not in text and not re.search(r"\son\w+=", text)
        for tag, attributes in page.tags:
            assert "style" not in attributes, tag
            for name in ("src", "href", "action"):
                link = attributes.get(name) or "/"
                assert link.startswith(("/_hooks", "#", "data:,", "/")), link
                assert not link.startswith("//")
        assert all(each.get("src") for each in page.all("script"))


def test_every_control_has_a_name_and_every_page_a_heading(site, get):
    for text in pages(site, get):
        page = Page(text)
        labels = {each.get("for") for each in page.all("label")}
        for each in page.all("input") + page.all("select"):
            is_named = each.get("type") in ("hidden", "checkbox") or each["id"] in labels
            assert is_named, each
        assert len(page.all("h1")) == len(page.all("main")) == 1
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert page.all("html")[0]["lang"] == "en"


def test_answers_say_how_strict_they_are(site):
    headers = site.client.get("/_hooks/", headers=OPERATOR).headers
    assert "script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"


def test_an_asset_changes_its_address_with_its_bytes(site, get):
    sheet = Page(get("/")).all("link")[1]["href"]
    assert re.search(r"look\.css\?v=[0-9a-f]{12}$", sheet)
    with site.client.get(sheet) as answer:
        assert answer.mimetype == "text/css"
