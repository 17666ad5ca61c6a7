"""`run` and `app.run()`: one process, reload, debugger."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import re
import signal
import ssl
import sys
import threading
import types

import pytest

from hipflask.server import reload, run, run_app

from .process import edit, held, is_running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")


# run


def test_run_without_reload_serves_until_sigterm(developed):
    server = developed()
    assert server.body() == "one"
    assert server.worker_pid() == server.pid
    assert server.body("/child") == "False"
    assert server.stop() == 0
    assert "Debugger" not in server.said
    assert '"GET / HTTP/1.1" 200' in server.said


def test_run_without_reload_passes_on_what_importing_the_app_raises(developed, folder):
    (folder / "app.py").write_text("1 / 0\n")
    server = developed()
    assert server.wait() == 1
    assert server.said.rstrip().endswith("ZeroDivisionError: division by zero")


def test_run_takes_a_request_in_work_no_longer_than_a_few_seconds_along(developed):
    server = developed()
    with held(server):
        assert server.stop(signal.SIGINT) == 0


def test_reload_picks_up_a_change_on_the_same_port_with_one_pin(developed, folder):
    server = developed(reload=True, debugger=True)
    assert server.body("/child") == "True"
    port, pid = server.port, server.worker_pid()
    edit(folder, '"one"', '"two, longer"')
    until(lambda: server.body() == "two, longer", "the new answer")
    assert server.port == port
    assert server.worker_pid() != pid
    assert "app.py changed: restarting" in server.said
    assert server.said.count("Debugger PIN: ") == 1
    pid = server.worker_pid()
    assert server.stop() == 0
    assert not is_running(pid)


def test_an_import_error_is_shown_and_served_and_gone_after_the_next_change(developed, folder):
    server = developed(reload=True)
    assert server.body() == "one"
    edit(folder, "import os", "import no_such_module_here, os")
    until(lambda: server.get()[0] == 500, "the failure")
    assert "No module named 'no_such_module_here'" in server.said
    assert "waiting for a change" in server.said
    edit(folder, "no_such_module_here, ", "")
    until(lambda: server.body() == "one", "the answer to be back")
    assert server.stop() == 0


def test_the_debugger_shows_an_import_error_in_the_browser(developed, folder):
    (folder / "app.py").write_text("1 / 0\n")
    server = developed(reload=True, debugger=True)
    status, page, _ = server.get()
    assert status == 500
    assert "ZeroDivisionError: division by zero" in page
    assert "EVALEX = true" in page


def test_a_child_that_dies_is_started_again_after_the_next_change(developed, folder):
    server = developed(reload=True)
    assert server.body() == "one"
    edit(folder, "import os", "import os; os._exit(7) #")
    until(lambda: "ended with exit code 7: waiting for a change" in server.said, "the report")
    edit(folder, "import os; os._exit(7) #", "import os")
    assert server.body() == "one"
    assert server.stop() == 0


def test_the_child_leaves_when_the_parent_is_killed(developed):
    server = developed(reload=True)
    pid = server.worker_pid()
    server.stop(signal.SIGKILL)
    until(lambda: not is_running(pid), "the child to leave")


def test_the_debugger_runs_code_only_for_the_pin_and_for_this_host(developed):
    server = developed(debugger=True, environ={"WERKZEUG_DEBUG_PIN": "123-456-789"})
    page = server.body("/boom")
    assert "Debugger PIN: 123-456-789" in server.said
    secret = re.search(r'SECRET = "(\w+)"', page)[1]
    frame = re.search(r'id="frame-(\d+)"', page)[1]
    evaluate = f"/?__debugger__=yes&cmd=6*7&frm={frame}&s={secret}"
    assert server.body(evaluate) == "one"

    enter = "/?__debugger__=yes&cmd=pinauth&s=" + secret
    assert json.loads(server.body(enter + "&pin=000"))["auth"] is False
    _, answer, headers = server.get(enter + "&pin=123-456-789")
    assert json.loads(answer)["auth"] is True
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert "42" in server.get(evaluate, {"Cookie": cookie})[1]

    assert "EVALEX = false" in server.get("/boom", {"Host": "evil.example"})[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_the_debugger_is_refused_where_others_can_reach_it(monkeypatch, capsys, host):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")
    info = types.SimpleNamespace(load_app=None)
    with pytest.raises(SystemExit) as ended:
        run(info, host=host, port=0, reload=True, debugger=True, threads=True)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"no debugger on {host}" in said
    assert said.count("\n") == 1


def test_run_serves_https_with_a_certificate_of_the_moment(developed):
    pytest.importorskip("cryptography")
    server = developed(ssl_context="adhoc")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/scheme")
        assert connection.getresponse().read() == b"https"
    assert server.stop() == 0


ASYNC_APP = """
import asyncio, time
from hipflask import Flask

app = Flask(__name__)

@app.get("/fail")
async def fail():
    await asyncio.sleep(0)
    here = "in the async view"
    raise ValueError("boom")

@app.get("/block")
async def block():
    time.sleep(0.3)
    return "blocked"

@app.get("/sleep")
def sleep():
    time.sleep(0.3)
    return "slept"

@app.before_serving
def say():
    print("begun", flush=True)
"""


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_the_debugger_shows_an_error_of_an_async_view_as_it_does_of_a_plain_one(
    developed, folder, interface
):
    (folder / "app.py").write_text(ASYNC_APP)
    server = developed({"FLASK_DEBUG": "1"}, debugger=True, interface=interface)
    status, page, _ = server.get("/fail")
    assert status == 500
    assert "ValueError: boom" in page
    assert "EVALEX = true" in page
    assert "raise ValueError(&#34;boom&#34;)" in page or 'raise ValueError("boom")' in page
    assert server.output.read_text() == "begun\n"


def test_a_view_that_blocks_the_loop_is_reported_by_name(developed, folder):
    (folder / "app.py").write_text(ASYNC_APP)
    server = developed()
    assert server.body("/sleep") == "slept"
    # On a busy machine a first request may block it by what it imports: that is no view.
    assert "by the view 'sleep'" not in server.said
    assert server.body("/block") == "blocked"
    until(lambda: "The event loop was blocked for" in server.said, "the report")
    assert f"by the view 'block' ({folder / 'app.py'}:" in server.said
    assert "GET /block HTTP/1.1" in server.said


def test_a_start_up_that_fails_is_one_line(developed, folder):
    (folder / "app.py").write_text(ASYNC_APP.replace('print("begun", flush=True)', "1 / 0"))
    server = developed()
    assert server.wait() == 2
    assert server.said.splitlines()[-1].startswith("hipflask: the app cannot start: say (")


# What is watched


def test_watched_files_are_python_and_env_files_and_the_extra_ones(tmp_path):
    (tmp_path / "data").mkdir()
    watched = reload.Watched(
        [str(tmp_path), str(tmp_path / "data")],
        extra_files=[str(tmp_path / "settings.toml"), str(tmp_path / "data")],
        exclude_patterns=["*/skip_*"],
    )
    yes = ["app.py", "sub/deep.py", ".env", ".flaskenv", "settings.toml", "data/rows.csv"]
    no = ["other.toml", "app.pyc", "skip_me.py", "node_modules/x.py", ".venv/lib/x.py"]
    assert [name for name in yes if not watched.matters(str(tmp_path / name))] == []
    assert [name for name in no if watched.matters(str(tmp_path / name))] == []
    assert watched.roots == (str(tmp_path),)


def test_without_watchfiles_changes_are_found_by_looking(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    (tmp_path / "app.py").write_text("1")
    stop = threading.Event()
    found = reload.changes(reload.Watched([str(tmp_path)]), stop)
    assert next(found) == set()
    (tmp_path / "new.py").write_text("2")
    assert next(found) == {str(tmp_path / "new.py")}
    stop.set()
    assert list(found) == []


def test_installed_packages_are_not_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "billing.py").touch()
    installed = importlib.util.find_spec("werkzeug").origin
    roots = reload.code_roots("apps/billing.py:create_app")
    assert {str(tmp_path), str(tmp_path / "apps")} <= set(roots)
    assert not reload.Watched(roots).matters(installed)


# app.run()


@pytest.fixture
def run_simple(monkeypatch):
    """Stands in for Werkzeug's server, as Flask's own tests do it; notes how it was called."""
    import werkzeug.serving

    calls = []
    monkeypatch.setattr(
        werkzeug.serving, "run_simple", lambda *args, **options: calls.append((args, options))
    )
    for name in ("FLASK_RUN_FROM_CLI", "FLASK_DEBUG", "HIPFLASK_DEFAULTS", "WERKZEUG_RUN_MAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
    return calls


@pytest.fixture
def app():
    return types.SimpleNamespace(name="demo", debug=False, config={"SERVER_NAME": None})


def test_app_run_is_werkzeugs_server_under_flasks_defaults(run_simple, app, monkeypatch):
    monkeypatch.setenv("HIPFLASK_DEFAULTS", "flask")
    app.config["SERVER_NAME"] = "site.example:81"
    run_app(app, None, None, True)
    [(arguments, options)] = run_simple
    assert arguments == ("site.example", 81, app)
    assert options == {"use_reloader": True, "use_debugger": True, "threaded": True}


@pytest.mark.parametrize(
    "option",
    [
        {"threaded": False},
        {"processes": 2},
        {"request_handler": object},
        {"passthrough_errors": True},
        {"static_files": {"/x": "x"}},
        {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)},
        {"unheard_of": 1},
    ],
)
def test_options_that_only_werkzeug_knows_bring_its_server(run_simple, app, option):
    run_app(app, "127.0.0.1", 5005, **option)
    [(arguments, options)] = run_simple
    assert arguments == ("127.0.0.1", 5005, app)
    assert option.items() <= options.items()


def test_app_run_outside_the_main_thread_is_werkzeugs_server(run_simple, app):
    thread = threading.Thread(target=run_app, args=(app,), kwargs={"use_reloader": False})
    thread.start()
    thread.join()
    assert [arguments for arguments, _ in run_simple] == [("127.0.0.1", 5000, app)]


def test_run_with_an_ssl_context_is_werkzeugs_server(run_simple, app, monkeypatch):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")
    info = types.SimpleNamespace(app_import_path="app", load_app=lambda: app)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    run(
        info,
        host="127.0.0.1",
        port=1,
        reload=False,
        debugger=False,
        threads=False,
        ssl_context=context,
    )
    [(arguments, options)] = run_simple
    assert arguments == ("127.0.0.1", 1, app)
    assert options["ssl_context"] is context
    assert options["threaded"] is False


def test_app_run_does_nothing_under_the_command_line(run_simple, app, monkeypatch, capsys):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    run_app(app)
    assert run_simple == []
    assert "app.run() does nothing here" in capsys.readouterr().err


def test_app_run_in_debug_mode_where_others_reach_it_has_no_debugger(run_simple, app, capsys):
    run_app(app, "0.0.0.0", 0, True, processes=2)
    [(_, options)] = run_simple
    assert options["use_debugger"] is False
    assert "No debugger, as others can reach 0.0.0.0" in capsys.readouterr().err


def test_app_run_refuses_a_debugger_asked_for_where_others_reach_it(run_simple, app, capsys):
    with pytest.raises(SystemExit):
        run_app(app, "0.0.0.0", 0, use_debugger=True)
    assert "no debugger on 0.0.0.0" in capsys.readouterr().err


def test_a_script_that_ends_in_app_run_reloads(launch, folder):
    (folder / "app.py").write_text(
        "from hipflask import Flask\n"
        "app = Flask(__name__)\n"
        '@app.get("/")\n'
        "def index():\n"
        '    return "one"\n'
        'if __name__ == "__main__":\n'
        "    app.run(port=0, debug=True)\n"
    )
    server = launch("app.py")
    assert server.body() == "one"
    edit(folder, '"one"', '"two, longer"')
    until(lambda: server.body() == "two, longer", "the new answer")
    edit(folder, "app = Flask(__name__)", "app = Flask(")
    until(lambda: "waiting for a change" in server.said, "the report")
    edit(folder, "app = Flask(", "app = Flask(__name__)")
    assert server.body() == "two, longer"
    assert server.stop(signal.SIGINT) == 0


# Through the command line


def test_the_commands_find_a_factory_in_every_process(launch, folder):
    (folder / "billing.py").write_text(
        "from hipflask import Flask\n"
        "def create_app(word):\n"
        "    app = Flask(__name__)\n"
        '    app.add_url_rule("/", view_func=lambda: word)\n'
        "    return app\n"
    )
    target = ("-m", "hipflask", "--app", "billing:create_app('made')")
    for options in (("serve", "--bind", "127.0.0.1:0", "--workers", "2"), ("run", "-p", "0")):
        server = launch(*target, *options)
        assert server.body() == "made"
        assert server.stop() == 0


def test_a_change_of_the_env_file_reaches_the_app(launch, folder):
    pytest.importorskip("dotenv")
    (folder / "app.py").write_text(
        "import os\n"
        "from hipflask import Flask\n"
        "app = Flask(__name__)\n"
        '@app.get("/")\n'
        "def index():\n"
        '    return os.environ["WORD"]\n'
    )
    (folder / ".env").write_text("WORD=one\n")
    server = launch("-m", "hipflask", "run", "--debug", "-p", "0")
    assert server.body() == "one"
    (folder / ".env").write_text("WORD=two\n")
    until(lambda: server.body() == "two", "the new value")
    assert server.stop() == 0
