"""The real server in processes of its own, on 127.0.0.1, spoken to over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import types
import urllib.parse
from pathlib import Path

import pytest

from hipflask.server import listen, reload, run, run_app, serve
from hipflask.server.supervise import Target, describe
from hipflask.server.terminal import one_line, printable
from hipflask.server.worker import Settings, access_line, wsgi_caller

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")

PATIENCE_S = 20.0

# Finds the app as the command line does, without needing it: `load_app` and the names
# that a worker is told.
DRIVER = """
import importlib, json, os, sys

class Info:
    def __init__(self, app_import_path=None):
        self.app_import_path = app_import_path

    def load_app(self):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(self.app_import_path).app

if __name__ == "__main__":
    from hipflask.server import run, serve

    command, options = sys.argv[1], json.loads(sys.argv[2])
    if "bind" in options:
        options["bind"] = tuple(options["bind"])
    {"run": run, "serve": serve}[command](Info("app"), **options)
"""

APP = """
import os, threading, time
from werkzeug.serving import is_running_from_reloader

def text(start_response, body, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode()]

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/pid":
        return text(start_response, str(os.getpid()))
    if path == "/child":
        return text(start_response, str(is_running_from_reloader()))
    if path == "/scheme":
        return text(start_response, environ["wsgi.url_scheme"])
    if path == "/environ":
        return text(start_response, "\\n".join(environ))
    if path == "/hold":
        open("entered", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        return text(start_response, "finished")
    if path == "/boom":
        raise ValueError("boom")
    if path == "/status":
        return text(start_response, "", "1000 Odd")
    if path == "/lazy":
        return lazy(start_response)
    if path == "/write":
        start_response("200 OK", [])(b"written, ")
        return [b"returned"]
    if path == "/cut":
        start_response("200 OK", [("Content-Length", "100")])
        return cut()
    if path == "/endless":
        return endless(start_response)
    if path == "/silent":
        return iter([b"no start_response"])
    return text(start_response, "one")

def lazy(start_response):
    try:
        start_response("202 Accepted", [("X-Lazy", "yes")])
        yield b"a"
        yield b"b"
    finally:
        open("closed", "w").close()

def endless(start_response):
    start_response("200 OK", [])
    try:
        while True:
            yield b"x" * 1000
            time.sleep(0.01)
    finally:
        open("closed", "w").close()

def cut():
    yield b"begin"
    raise ValueError("midway")
"""


def until(condition, what="it"):
    """Return the first true answer of `condition`; fail when there is none for long.

    A connection that breaks counts as not yet: while a server is replaced it may.
    """
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := condition():
                return answer
        pause.wait(0.02)
    pytest.fail(f"waited in vain for {what}")


def is_running(pid):
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


class Server:
    """A server process in `folder`; what it says goes to files there."""

    def __init__(self, folder, arguments, environ=None):
        self.folder = folder
        self.output, self.errors = folder / "stdout.txt", folder / "stderr.txt"
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "WERKZEUG_", "HIPFLASK_"))
        }
        # An edit within the second and of the same length would leave a stale .pyc.
        variables.update({"PYTHONDONTWRITEBYTECODE": "1", **(environ or {})})
        with self.output.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=variables,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def said(self):
        return self.errors.read_text()

    def url(self):
        def found():
            if address := re.search(r"https?://[^\s,]+", self.said):
                return address
            assert self.process.poll() is None, self.said

        return urllib.parse.urlsplit(until(found, "an address")[0])

    @property
    def port(self):
        return self.url().port

    def get(self, path="/", headers=None, timeout=PATIENCE_S):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def body(self, path="/"):
        return self.get(path)[1]

    def worker_pid(self):
        return int(self.body("/pid"))

    def refuses(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionError:
            return True
        return False

    def wait(self):
        return self.process.wait(PATIENCE_S)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()

    def clean_up(self):
        # The process leads a group of its own, so this ends what it started and no more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def launch(folder):
    started = []

    def launch(*arguments, environ=None):
        server = Server(folder, arguments, environ)
        started.append(server)
        return server

    yield launch
    for server in started:
        server.clean_up()


@pytest.fixture
def served(launch):
    def served(environ=None, **options):
        options = {"bind": ["127.0.0.1:0"], "workers": 1, "threads": 4, **options}
        return launch("driver.py", "serve", json.dumps(options), environ=environ)

    return served


@pytest.fixture
def developed(launch):
    def developed(environ=None, **options):
        options = {
            "host": "127.0.0.1",
            "port": 0,
            "reload": False,
            "debugger": False,
            "threads": True,
            **options,
        }
        return launch("driver.py", "run", json.dumps(options), environ=environ)

    return developed


def edit(folder, before, after):
    path = folder / "app.py"
    source = path.read_text()
    assert before in source
    path.write_text(source.replace(before, after))


@contextlib.contextmanager
def held(server):
    """Begin a request that the app holds; gives its connection, with the app inside it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/hold")
        until((server.folder / "entered").exists, "the request to arrive")
        yield connection


# serve


def test_serve_answers_from_several_workers_and_leaves_no_process(served):
    server = served(workers=2)
    pids = set()

    def both():
        pids.add(server.worker_pid())
        return len(pids) == 2

    until(both, "an answer from each worker")
    assert "with 2 workers of 4 threads" in server.said
    assert server.stop() == 0
    assert server.refuses()
    assert not any(is_running(pid) for pid in pids)
    assert len(server.said.splitlines()) == 1


def test_serve_stops_on_ctrl_c(served):
    server = served()
    pid = server.worker_pid()
    os.killpg(server.pid, signal.SIGINT)
    assert server.wait() == 0
    assert not is_running(pid)
    assert "Traceback" not in server.said


def test_sigterm_refuses_newcomers_and_lets_a_request_in_work_finish(served):
    server = served(graceful_timeout_s=PATIENCE_S)
    pid = server.worker_pid()
    with held(server) as connection:
        server.process.send_signal(signal.SIGTERM)
        until(server.refuses, "new connections to be refused")
        assert server.process.poll() is None
        (server.folder / "go").touch()
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"finished")
    assert server.wait() == 0
    assert not is_running(pid)


def test_a_request_that_outlasts_the_grace_time_does_not_keep_the_server(served):
    server = served(graceful_timeout_s=0.2)
    pid = server.worker_pid()
    with held(server) as connection:
        assert server.stop() == 0
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
    assert not is_running(pid)


def test_a_killed_worker_is_replaced_every_time_and_nobody_is_refused(served):
    server = served()
    for _ in range(4):
        pid = server.worker_pid()
        os.kill(pid, signal.SIGKILL)
        assert server.worker_pid() != pid
    assert server.said.count("was ended by signal 9; starting another") == 4
    assert server.stop() == 0


def test_workers_stop_when_their_supervisor_is_killed(served):
    server = served()
    pid = server.worker_pid()
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not is_running(pid), "the worker to stop")


def test_a_unix_socket_is_served_beside_a_port_and_removed_in_the_end(served, folder):
    path = folder / "s"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    server = served(bind=["127.0.0.1:0", f"unix:{path}"])
    assert server.body() == "one"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"\r\n\r\none")
    assert server.stop() == 0
    assert not path.exists()


def test_tls_files_are_served_as_https(served, certificate):
    certfile, keyfile = certificate
    server = served(certfile=certfile, keyfile=keyfile)
    assert server.url().scheme == "https"
    context = ssl.create_default_context(cafile=certfile)
    connection = http.client.HTTPSConnection(
        "localhost", server.port, context=context, timeout=PATIENCE_S
    )
    with contextlib.closing(connection):
        connection.request("GET", "/scheme")
        assert connection.getresponse().read() == b"https"
    assert server.stop() == 0


@pytest.fixture
def certificate(tmp_path):
    pytest.importorskip("cryptography")
    from werkzeug.serving import make_ssl_devcert

    return make_ssl_devcert(str(tmp_path / "tls"), cn="localhost")


def test_an_app_that_cannot_be_imported_is_one_line_and_exit_code_2(served, folder):
    (folder / "app.py").write_text("import sys\nimport no_such_module_here\n")
    server = served(workers=2)
    assert server.wait() == 2
    assert server.said == (
        "hipflask: cannot load the app app: ModuleNotFoundError: "
        f"No module named 'no_such_module_here' ({folder / 'app.py'}, line 2)\n"
    )


def test_an_app_in_debug_mode_is_refused_with_exit_code_78(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write("\napp.debug = True\n")
    server = served()
    assert server.wait() == 78
    assert "the app app is in debug mode" in server.said
    assert len(server.said.splitlines()) == 1


def test_access_log_is_one_line_a_request_on_stdout_without_secrets(served):
    server = served(access_log=True)
    server.get("/a%0ab%1b%5b31m?token=secret")
    server.get("/boom")
    assert server.stop() == 0
    first, second = server.output.read_text().splitlines()
    assert re.fullmatch(
        r'127\.0\.0\.1 \[[^]]+\] "GET /a\\nb\\x1b\[31m HTTP/1\.1" 200 \d+\.\dms', first
    )
    assert '"GET /boom HTTP/1.1" 500' in second


def test_environment_variables_are_not_taken_for_headers_or_logins(served):
    server = served(environ={"HTTP_X_EVIL": "1", "REMOTE_USER": "root", "CONTENT_LENGTH": "9"})
    names = server.body("/environ").splitlines()
    assert "HTTP_HOST" in names
    assert not {"HTTP_X_EVIL", "REMOTE_USER", "CONTENT_LENGTH", "PATH"}.intersection(names)


def test_odd_wsgi_apps_are_answered_and_never_end_the_worker(served):
    server = served()
    pid = server.worker_pid()
    status, body, headers = server.get("/lazy")
    assert (status, body, headers["X-Lazy"]) == (202, "ab", "yes")
    until((server.folder / "closed").exists, "the body to be closed")
    assert server.body("/write") == "written, returned"
    for path in ("/boom", "/status", "/silent"):
        assert server.get(path)[0] == 500
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.get("/cut")
    assert server.worker_pid() == pid


def test_a_body_is_closed_when_the_client_goes_away(served):
    server = served()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(5) == b"HTTP/"
    until((server.folder / "closed").exists, "the body to be closed")
    assert server.stop() == 0


def test_what_the_app_registered_for_its_end_runs_even_after_the_grace_time(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write('\nimport atexit\natexit.register(lambda: open("ended", "w").close())\n')
    server = served(graceful_timeout_s=0.2)
    with held(server):
        assert server.stop() == 0
    assert (folder / "ended").exists()


def test_more_silent_connections_than_granian_takes_by_default_disturb_nobody(served):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("needs 2,000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    server = served()
    with contextlib.ExitStack() as silent:
        for _ in range(1100):
            silent.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        assert server.body() == "one"
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bind": ()}, "nothing to listen on"),
        ({"bind": ("127.0.0.1:http",)}, "'127.0.0.1:http': expected HOST:PORT"),
        ({"bind": ("127.0.0.1:65536",)}, "a port from 0 to 65535"),
        ({"bind": ("no.such.host.invalid:0",)}, "no such host"),
        ({"bind": ("unix:/no/such/folder/s",)}, "cannot listen on unix:/no/such/folder/s"),
        ({"bind": ("unix:/",)}, "a file that is no socket is there"),
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"graceful_timeout_s": -1}, "graceful timeout"),
        ({"interface": "fastcgi"}, "choose from wsgi"),
        ({"certfile": __file__}, "certfile is given, keyfile is not"),
        ({"certfile": "/no/cert.pem", "keyfile": __file__}, "no file '/no/cert.pem'"),
        ({"certfile": __file__, "keyfile": __file__}, "for TLS"),
    ],
)
def test_serve_refuses_a_setting_that_cannot_work_in_one_line(monkeypatch, capsys, changed, reason):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")
    info = types.SimpleNamespace(app_import_path="app")
    with pytest.raises(SystemExit) as ended:
        serve(info, **{"bind": ("127.0.0.1:0",), "workers": 1, "threads": 1, **changed})
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("hipflask: ")
    assert reason in said
    assert said.count("\n") == 1


def test_a_protected_key_is_refused_without_asking_for_its_password(certificate, tmp_path, capsys):
    from cryptography.hazmat.primitives import serialization as s

    certfile, keyfile = certificate
    key = s.load_pem_private_key(Path(keyfile).read_bytes(), None)
    hidden = tmp_path / "hidden.key"
    hidden.write_bytes(
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x"))
    )
    with pytest.raises(SystemExit):
        listen.check_tls(certfile, str(hidden))
    assert "protected by a password" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_port_in_use_is_one_line_and_exit_code_2(command, launch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        options = {
            "run": {"host": "127.0.0.1", "port": port, "reload": True, "debugger": False},
            "serve": {"bind": [f"127.0.0.1:{port}"], "workers": 1},
        }[command]
        server = launch("driver.py", command, json.dumps({"threads": 2, **options}))
        assert server.wait() == 2
    assert server.said == (
        f"hipflask: port {port} on 127.0.0.1 is in use by another program: "
        "stop it, or choose another port\n"
    )


def test_a_unix_socket_in_use_is_left_alone(tmp_path, capsys):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SystemExit):
            listen.open_listener(f"unix:{path}")
    assert "in use by another program" in capsys.readouterr().err
    assert path.exists()


def test_a_factory_without_a_name_cannot_be_sent_to_workers(capsys):
    with pytest.raises(SystemExit):
        Target.of(types.SimpleNamespace(create_app=lambda: None))
    assert "at the top of a module" in capsys.readouterr().err


def test_describe_tells_the_cause_behind_a_message_of_several_paragraphs():
    class Shown(Exception):
        def format_message(self):
            return "cannot import it:\n\nTraceback of many lines"

    def raise_both():
        try:
            raise KeyError("inner")
        except KeyError:
            raise Shown from None

    try:
        raise_both()
    except Shown as error:
        assert describe(error).startswith("cannot import it: KeyError: 'inner' (")


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


# Small things


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":8080", ("0.0.0.0", 8080)),
        ("[::1]:8000", ("::1", 8000)),
        ("[::1]", ("::1", 8000)),
        ("localhost", ("localhost", 8000)),
    ],
)
def test_split_bind_reads_every_form(bind, expected):
    assert listen.split_bind(bind) == expected


@pytest.mark.parametrize(
    ("host", "bind"),
    [
        ("127.0.0.1", "127.0.0.1:1"),
        ("::1", "[::1]:1"),
        ("unix:///run/s", "unix:/run/s"),
        ("unix:s", "unix:s"),
    ],
)
def test_bind_of_a_host_and_a_port(host, bind):
    assert listen.bind_of(host, 1) == bind


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("app.localhost", True),
        ("unix:///run/s", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_is_loopback(host, expected):
    assert listen.is_loopback(host) is expected


def test_access_line_shows_the_query_only_when_told():
    scope = {
        "PATH_INFO": "/caf\xc3\xa9",
        "QUERY_STRING": "a=1",
        "REQUEST_METHOD": "GET",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "",
    }
    assert '"GET /café HTTP/1.1" 200 1.2ms' in access_line(scope, 200, 1.23, query=False)
    shown = access_line(scope, 200, 1.23, query=True)
    assert shown.startswith("- [")
    assert '"GET /café?a=1 HTTP/1.1"' in shown


def test_what_is_printed_is_one_line_of_printable_text():
    assert one_line("a\n  b\tc\r\n") == "a b c"
    assert printable("x\x1b[0m\u2028y é") == "x\\x1b[0m\\u2028y é"


def test_a_list_body_is_handed_over_in_one_piece():
    class Proto:
        def response_bytes(self, *answer):
            self.answer = answer

    def app(environ, start_response):
        assert environ["wsgi.multiprocess"] is True
        start_response("201 Created", [("A", "b")])
        return [b"x", b"y"]

    proto = Proto()
    assert wsgi_caller(app, Settings(many=True))(proto, {}) == 201
    assert proto.answer == (201, [("A", "b")], b"xy")
