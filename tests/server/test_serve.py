"""`serve`: the real server in processes of its own, spoken to over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import sys
import types
from pathlib import Path

import pytest

from hipflask.server import listen, serve
from hipflask.server.settings import Settings
from hipflask.server.supervise import Target, describe
from hipflask.server.terminal import one_line, printable
from hipflask.server.wsgi import wsgi_caller

from .process import PATIENCE_S, held, is_running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")


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
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            assert connection.getresponse().status == 503
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
        assert b"\r\none\r\n" in client.makefile("rb").read()
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
        ({"interface": "fastcgi"}, "choose from rsgi, asgi, wsgi"),
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
    assert wsgi_caller(app, Settings(many=True))(proto, {"REQUEST_METHOD": "GET"}) == 201
    assert proto.answer == (201, [("A", "b")], b"xy")
