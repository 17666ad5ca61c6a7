"""The figures of the runs over HTTP from made-up rows; what wrk is told; ends of servers."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.document import Row
from benchmarks.load import dump_lua, dump_script
from benchmarks.over_http import figures_of, set_http_ratios
from benchmarks.servers import Server, ServerError
from benchmarks.workloads import Call

W = ("W1", "W2", "W3", "W4")


def rows_of(
    peer: str, interface: str, server: str, cost: float, rate: float = 1000.0, names=W
) -> list[Row]:
    more = {"requests_s": rate}
    return [Row(peer, interface, name, [cost, cost], server=server, more=more) for name in names]


def make_rows(ours: float = 25.0, sync: float = 30.0, rate: float = 1000.0) -> list[Row]:
    rows = [
        *rows_of("raw", "wsgi", "granian", 21.0),
        *rows_of("raw", "rsgi", "granian", 22.0),
        *rows_of("hipflask", "wsgi", "serve", ours),
        *rows_of("hipflask", "rsgi", "serve", ours),
        *rows_of("hipflask_sync", "rsgi", "serve", sync, rate),
        *rows_of("flask", "wsgi", "granian", 120.0, 300.0),
        *rows_of("falcon", "wsgi", "granian", 30.0),
        *rows_of("socketify", "own", "own", 10.0),
    ]
    set_http_ratios(rows)
    return rows


def test_ratio_is_to_raw_on_granian_where_raw_did_not_run_on_that_server() -> None:
    row = next(row for row in make_rows() if row.key == ("hipflask", "rsgi", "serve", "W1"))
    assert row.ratio_to_raw == pytest.approx(25 / 22)


def test_all_figures_hold_for_rows_that_are_good() -> None:
    figures = figures_of(make_rows())
    assert len(figures) == 3 * 4 + 4
    assert [figure.name for figure in figures if not figure.held] == []


@pytest.mark.parametrize(
    ("made", "missed"),
    [
        ({"ours": 29.0}, 6),
        ({"sync": 40.0}, 3),
        ({"rate": 800.0}, 3),
        ({"ours": 31.0, "sync": 33.0}, 6 + 4),
    ],
)
def test_figures_are_missed_for_rows_that_are_not(made: dict[str, float], missed: int) -> None:
    assert sum(not figure.held for figure in figures_of(make_rows(**made))) == missed


def test_a_peer_that_does_not_finish_all_four_is_no_rival() -> None:
    rows = make_rows() + rows_of("bottle", "wsgi", "granian", 5.0, names=W[:3])
    assert all(figure.held for figure in figures_of(rows))
    rows += rows_of("bottle", "wsgi", "granian", 5.0, names=W[3:])
    assert sum(not figure.held for figure in figures_of(rows)) == 4


def test_wrk_gets_each_request_once_and_every_byte_escaped() -> None:
    calls = [
        Call("/a", "b=1"),
        Call("/b", method="POST", headers=(("Content-Type", "x"),), body=b'{"q":"\\\n\xff"}'),
    ]
    script = dump_script(calls)
    assert 'wrk.format("GET","/a?b=1",{},nil)' in script
    body = r'"{\034q\034:\034\092\010\255\034}"'
    assert f'wrk.format("POST","/b",{{["Content-Type"]="x"}},{body})' in script
    assert dump_lua(b"plain-1_2") == '"plain-1_2"'


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_server_that_ends_says_its_error_and_leaves_no_process(tmp_path) -> None:
    program = "import sys; print('starting'); sys.exit('ValueError: no such thing')"
    server = Server([sys.executable, "-c", program], tmp_path)
    with pytest.raises(ServerError, match="ended with code 1: ValueError: no such thing"):
        server.__enter__()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_server_is_stopped_with_all_its_processes(tmp_path) -> None:
    program = (
        "import http.server, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(204); self.end_headers()\n"
        "http.server.HTTPServer(('127.0.0.1', {port}), Answer).serve_forever()\n"
    )
    with Server([sys.executable, "-c", program], tmp_path) as server:
        pids = server.pids()
        assert len(pids) == 2
        assert server.memory_mb()[0] > server.memory_mb()[1] > 0
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)
