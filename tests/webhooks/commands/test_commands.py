"""`hipflask hooks`: what is typed, what is printed, what has moved then."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from hipflask import Flask
from hipflask.cli import cli
from hipflask.cli.script import ScriptInfo
from hipflask.database import StoreUnavailable
from hipflask.webhooks import Verifier
from hipflask.webhooks.delivery import Delivery

from ..reconcile.standin import SECRET as GITHUB_SECRET
from ..shop import SECRET

assert SECRET == GITHUB_SECRET


@pytest.fixture
def run(shop):
    def run(*words, code=0, given=None):
        info = ScriptInfo(create_app=lambda: shop.app, set_debug_flag=False)
        found = CliRunner().invoke(cli, ["hooks", *words], obj=info, input=given)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == code, found.output
        return found

    return run


def one_line(found):
    assert found.stdout == "" and found.stderr.count("\n") == 1, found.output
    return found.stderr


# Help and errors.


@pytest.mark.parametrize(
    "name",
    "list show replay dead park resolve diff reconcile send move".split(),
)
def test_help_teaches_by_example(run, name):
    text = run(name, "--help").stdout
    assert f"hipflask hooks {name} " in text and "--json" in text


def test_the_group_names_its_commands(run):
    text = run("--help").stdout
    assert text.index("list") < text.index("reconcile") and "Send a signed event" in text
    assert "No such command 'lisst'" in run("lisst", code=2).stderr


def test_an_app_without_hooks_is_a_line_and_exit_code_2():
    info = ScriptInfo(create_app=lambda: Flask("plain"), set_debug_flag=False)
    found = CliRunner().invoke(cli, ["hooks", "list"], obj=info)
    assert found.exit_code == 2
    assert "receives no webhooks: it has no Hooks(app)" in one_line(found)


def test_an_app_that_fails_to_load_is_a_line():
    def fail():
        raise RuntimeError("broken\nin two lines")

    info = ScriptInfo(create_app=fail, set_debug_flag=False)
    found = CliRunner().invoke(cli, ["hooks", "list"], obj=info)
    assert found.exit_code == 2 and "RuntimeError: broken in two lines" in one_line(found)


def test_a_store_that_is_away_is_a_line(shop, run, monkeypatch):
    def away(self, query):
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(type(shop.hooks.inbox), "find", away)
    assert "The store does not answer: disk full" in one_line(run("list", code=2))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list", "--state", "nope"), "'nope' is no state"),
        (("list", "--since", "soon"), "'soon' is no time"),
        (("show", "99"), "There is no row 99"),
        (("replay",), "Say which: numbers (hipflask hooks replay 12 13) or a filter"),
        (("replay", "1", "--state", "dead"), "Give numbers or filters, not both"),
        (("dead", "98", "99"), "There is no row 98, 99"),
        (("diff", "--source", "x"), "There is no source 'x'; sources are github, stripe"),
        (("reconcile", "x"), "There is no source 'x'; sources are github, stripe"),
        (("reconcile", "github"), "needs the setting HOOKS_GITHUB_LIST_URL"),
        (("send", "slack"), "The app has no source for 'slack'; its sources are github, stripe"),
        (("send", "github", "--url", "nowhere"), "--url 'nowhere' is no address"),
        (
            ("send", "github", "--id", "a", "--file", "-", "--file", "-"),
            "One id, 'a', for 2 events",
        ),
        (("send", "github", "--url", "http://127.0.0.1:9/"), "does not answer"),
        (("send", "github", "--url", "http://[::1/"), "is no address"),
        (("send", "github", "--url", "http://127.0.0.1:port/"), "is no address"),
        (("send", "github", "--event", "a\nb"), "cannot be sent"),
        (("send", "github", "--event", "a\nb", "--url", "http://127.0.0.1:9/"), "cannot be sent"),
        (("list", "--text", "a\0b"), "character that no row has"),
    ],
)
def test_what_cannot_be_done_is_a_line_and_exit_code_2(run, words, says):
    assert says in one_line(run(*words, code=2))


@pytest.mark.parametrize("command", ["show", "diff", "replay"])
def test_a_number_that_no_row_has_is_refused(run, command):
    assert "is not in the range" in run(command, str(2**63), code=2).stderr


# Looking.


def test_list_shows_the_newest_first_with_their_errors(shop, run):
    shop.deliver("a", repository={"id": 1}, do="permanent")
    shop.hooks.work()
    shop.deliver("b", event="issues")
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == "seq state lane what key age attempts".split()
    assert lines[1].split()[:4] == ["2", "received", "github", "issues"]
    assert lines[2].split()[:5] == ["1", "dead", "github", "push", "1"]
    assert lines[3] == "  tell: no such thing second line \\u001b[31m"
    assert len(run("list", "--limit", "1").stdout.splitlines()) == 2


def test_list_filters(shop, run):
    shop.deliver("a", do="permanent")
    shop.hooks.work()
    shop.deliver("b", repository={"id": 4})

    def seqs(*words):
        found = run("list", "--json", *words).stdout.splitlines()
        return [json.loads(line)["seq"] for line in found]

    assert seqs() == [2, 1]
    assert seqs("--state", "dead") == [1]
    assert seqs("--state", "dead", "--state", "received") == [2, 1]
    assert seqs("--key", "4") == seqs("--text", "b", "--since", "1h", "--state", "received") == [2]
    assert seqs("--source", "stripe") == seqs("--until", "1h") == []
    nothing = run("list", "--source", "stripe")
    assert nothing.stdout == "" and "Nothing is stored: lane stripe." in nothing.stderr


def test_list_of_the_outbox(shop, run):
    shop.deliver("a")
    shop.hooks.work()
    line = run("list", "--outbox").stdout.splitlines()[1]
    assert line.split()[:5] == ["1", "waiting", "chat", "POST", "/room"]
    row = json.loads(run("list", "--outbox", "--json").stdout)
    assert (row["inbox_seq"], row["handler"], row["path"]) == (1, "tell", "/room")


def test_show_prints_headers_body_and_audit(shop, run):
    shop.deliver("the-id", repository={"id": 7}, do="permanent", text="\u202e")
    shop.hooks.work()
    text = run("show", "1").stdout
    assert text.startswith("push #1  dead\n")
    assert "the-id" in text and '  "repository": {' in text
    assert "X-Github-Event: push" in text
    assert "running -> dead" in text and "\x1b" not in text and "\u202e" not in text


def test_show_leaves_secrets_out(shop, run):
    from hipflask.webhooks import sign

    headers = [*sign("github", b"{}", SECRET, id="a"), ("Authorization", "hunter2")]
    shop.client.post("/github", data=b"{}", headers=headers)
    for words in ((), ("--json",)):
        text = run("show", "1", *words).stdout
        assert "hunter2" not in text and "(redacted)" in text


def test_show_as_json_and_raw(shop, run):
    shop.deliver("a", text="x")
    shop.hooks.work()
    whole = json.loads(run("show", "1", "--json").stdout)
    assert whole["id"] == "a" and json.loads(whole["body"]["text"])["text"] == "x"
    assert [move["new"] for move in whole["audit"]] == ["running", "done"]
    assert run("show", "1", "--raw").stdout_bytes == b'{"delivery": "a", "text": "x"}'
    sent = json.loads(run("show", "1", "--outbox", "--json").stdout)
    assert sent["attempts"][0]["status"] is None and sent["idempotency_key"]
    text = run("show", "1", "--outbox").stdout
    assert "event #1, handler tell" in text and "no answer after" in text


# Moving.


def test_replay_shows_what_it_would_do_and_asks(shop, run):
    shop.deliver("a", do="permanent")
    shop.hooks.work()
    said = run("replay", "--state", "dead", given="n\n", code=1)
    assert "push" in said.stdout and "Works once more" in said.stderr
    assert shop.states() == ["dead"]
    said = run("replay", "--state", "dead", "--note", "fixed", given="y\n")
    assert "1 replayed." in said.stdout and shop.states() == ["received"]
    move = shop.hooks.inbox.audit(1)[-1]
    assert move.actor.startswith("cli") and move.note == "fixed"


def test_rows_are_moved_by_number_without_asking(shop, run):
    for number in range(3):
        shop.deliver(f"id{number}")
    assert run("park", "1", "2", "--yes").stdout == "2 parked.\n"
    assert run("dead", "3", "--yes", "--json").stdout == '{\n  "asked": 1,\n  "moved": 1\n}\n'
    assert run("resolve", "--state", "dead", "--yes").stdout == "1 resolved.\n"
    assert shop.states() == ["parked", "parked", "done"]


def test_only_rows_that_the_action_moves_are_taken(shop, run):
    shop.deliver("a")
    shop.hooks.work()
    shop.deliver("b")
    said = run("resolve", "--state", "done", "--yes")
    assert said.stdout == "" and "Nothing to move" in said.stderr
    assert run("dead", "--source", "github", "--yes").stdout == "1 marked dead.\n"
    assert shop.states() == ["done", "dead"]


def test_the_outbox_is_moved_too(shop, run):
    shop.deliver("a")
    shop.hooks.work()
    assert run("dead", "--outbox", "--destination", "chat", "-y").stdout == "1 marked dead.\n"
    assert shop.states("outbox") == ["dead"] and shop.states() == ["done"]


# Trying.


def test_diff_tells_what_would_be_otherwise_and_keeps_nothing(shop, run):
    shop.deliver("a", text="one")
    shop.deliver("b", do="permanent")
    shop.hooks.work()
    same = run("diff").stdout
    assert "2 tried: 0 differ, 2 do not." in same

    @shop.github.on("push", name="more")
    def more(event):
        shop.chat.post("/other", {"new": True})

    said = run("diff", "--last", "10", code=1).stdout
    assert "+ chat POST /other" in said and '"new": true' in said
    found = json.loads(run("diff", "1", "--json", code=1).stdout)
    assert found["tried"] == 1 and found["different"][0]["changes"][0]["kind"] == "new"
    assert len(shop.rows("outbox")) == 1


# Sending.


def test_send_goes_through_the_apps_own_door(shop, run):
    said = run("send", "github", "--event", "push", "--id", "one", "--data", '{"text": "hi"}')
    assert said.stdout == ("202 one\nStored as #1: push from github, 14 bytes, received.\n")
    assert shop.hooks.inbox.read(1).body == b'{"text": "hi"}'


def test_send_works_on_what_it_sent(shop, run):
    said = run("send", "github", "--event", "push", "--data", '{"text": "hi"}', "--work").stdout
    assert "push from github, 14 bytes, done." in said
    assert shop.handled == [{"text": "hi"}]
    said = run("send", "github", "--event", "push", "--data", '{"do": "permanent"}', "--work")
    assert "dead." in said.stdout and "no such thing" in said.stdout


def test_send_repeats_and_the_event_is_stored_once(shop, run):
    said = run("send", "stripe", "--data", '{"id": "evt_1", "type": "a.b"}', "--dup", "3").stdout
    assert said.splitlines() == [
        "202 evt_1",
        "202 evt_1 (copy 2)",
        "202 evt_1 (copy 3)",
        "Stored as #1: a.b from stripe, 30 bytes, received, came 3 times.",
    ]
    assert len(shop.rows()) == 1


def test_send_says_that_the_same_bytes_under_another_id_are_a_conflict(shop, run):
    words = ("send", "github", "--event", "push", "--data", '{"text": "hi"}')
    run(*words, "--work")
    said = run(*words, "--work").stdout
    assert "Worked on 0." in said and "14 bytes, conflict." in said
    assert "these bytes came before under another id" in said
    assert "'hipflask hooks replay 2' works on it" in said
    assert shop.handled == [{"text": "hi"}]
    run("replay", "2", "--yes")
    shop.hooks.work()
    assert shop.handled == [{"text": "hi"}] * 2


def test_send_says_that_other_bytes_under_the_same_id_are_a_conflict(shop, run):
    words = ("send", "github", "--event", "push", "--id", "one", "--data")
    run(*words, '{"text": "hi"}')
    said = run(*words, '{"text": "ho"}').stdout
    assert "Stored as #2" in said and "conflict." in said
    assert "one came before with other bytes. Give another --id" in said


def test_a_refused_letter_is_not_told_as_stored(shop, run):
    run("send", "github", "--id", "one")
    assert "Nothing was stored." in run("send", "github", "--id", "one", "--corrupt").stdout


def test_send_finds_what_is_known_by_an_id_of_the_apps_own(shop, run):
    shop.hooks.source("/own", scheme="github", secrets="GITHUB_SECRET", id="order", name="own")
    assert "Stored as #1" in run("send", "own", "--data", '{"order": "o-7"}').stdout
    assert shop.rows()[0].event_id == "o-7"


def test_send_takes_files_and_sends_them_in_another_order(shop, run, tmp_path):
    files = []
    for number in range(3):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"number": number}))
        files += ["--file", str(path)]
    found = json.loads(
        run("send", "github", "--event", "push", "--reorder", "--json", *files).stdout
    )
    assert [row["status"] for row in found] == [202] * 3
    shop.hooks.work()
    numbers = [event["number"] for event in shop.handled]
    assert sorted(numbers) == [0, 1, 2] != numbers


def test_the_files_name_is_the_type_where_senders_have_it_in_a_header(shop, run, tmp_path):
    for name in ("push.json", "Push 2.json", "pull_request.json"):
        path = tmp_path / name
        path.write_text(json.dumps({"file": name}))
        run("send", "github", "--file", str(path))
        run("send", "stripe", "--file", str(path))
    types = [(row.lane, row.event_type) for row in shop.rows()]
    assert [kind for lane, kind in types if lane == "github"] == ["push", None, "pull_request"]
    assert [kind for lane, kind in types if lane == "stripe"] == [None] * 3


def test_send_changes_a_byte_and_succeeds_if_it_is_refused(shop, run):
    said = run("send", "github", "--corrupt").stdout
    assert said.startswith("401 ") and "changed after it was signed" in said
    assert "Nothing was stored." in said and shop.rows() == []


def test_send_with_a_wrong_secret_is_exit_code_1(run):
    assert run("send", "github", "--secret", "wrong", code=1).stdout.startswith("401 ")


def test_a_secret_that_the_app_was_not_told_stands_in_for_its_own(shop, run):
    del shop.app.config["GITHUB_SECRET"]
    assert "needs the setting GITHUB_SECRET" in one_line(run("send", "github", code=2))
    assert run("send", "github", "--secret", "typed").stdout.startswith("202 ")


def test_send_says_that_two_sources_have_the_scheme(shop, run):
    shop.hooks.source("/other", scheme="github", secrets="GITHUB_SECRET", name="other")
    shop.hooks.source("/third", scheme="github", secrets="GITHUB_SECRET", name="third")
    del shop.hooks.sources["github"]
    assert "2 sources have the scheme 'github'; name one of" in one_line(
        run("send", "github", code=2)
    )
    del shop.hooks.sources["third"]
    assert run("send", "github").stdout.startswith("202 ")


def test_send_needs_a_file_or_data_and_not_both(run):
    assert "give one" in run("send", "github", "--data", "x", "--file", "-", code=2).stderr
    assert run("send", "github", "--file", "-", given='{"text": "piped"}').exit_code == 0


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, and answers 202."""

    got: list[tuple[str, Delivery]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, Delivery(list(self.headers.items()), body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def listener():
    handler = type("Own", (Listener,), {"got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler.got
    server.shutdown()
    server.server_close()
    thread.join()


def test_send_goes_over_http_and_needs_no_app_there(listener, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    url, got = listener
    words = [
        "hooks",
        "send",
        "github",
        "--secret",
        "s",
        "--url",
        f"{url}/in?a=1",
        "--event",
        "push",
    ]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0 and found.stdout.startswith("202 ")
    ((path, delivery),) = got
    assert path == "/in?a=1" and Verifier("github", "s").verify(delivery).ok
    words = ["hooks", "send", "github", "--url", url]
    assert "Say what to sign with: --secret" in one_line(CliRunner().invoke(cli, words))


def test_send_over_http_to_the_apps_source(shop, run, listener):
    url, got = listener
    said = run("send", "github", "--url", url).stdout
    assert got[0][0] == "/github" and "Nothing was stored." in said
