"""Every workload of `make bench` through raw, Flask and hipflask; and how figures are judged."""

from __future__ import annotations

import io
import json
import math
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import expected, figures  # noqa: E402  (found by the line above)
from benchmarks.document import Document, Row, set_ratios  # noqa: E402
from benchmarks.drivers import DRIVERS  # noqa: E402
from benchmarks.figures import BOUNDS, Bound, judge, judge_bound, judge_page  # noqa: E402
from benchmarks.inprocess import interval  # noqa: E402
from benchmarks.peers import PEERS, find  # noqa: E402
from benchmarks.peers.install import read_requirements  # noqa: E402
from benchmarks.peers.shared import read_order  # noqa: E402
from benchmarks.progress import Progress  # noqa: E402
from benchmarks.worker import Worker, logged_in, look_at  # noqa: E402
from benchmarks.workloads import (  # noqa: E402
    APPS,
    WORKLOADS,
    Answer,
    WrongAnswer,
    make_order,
    names_of,
    verify,
)

# Sync views of an async door run in threads that outlive the test; the door's own tests have them.
NAMES = ("raw", "hipflask", "hipflask_async", "hipflask_secure", "flask")
CASES = [
    pytest.param(peer, app, id=f"{peer.key} {app}")
    for peer in PEERS
    for app in APPS
    if peer.name in NAMES and app != "many_routes" and set(names_of(app)) & set(peer.workloads)
]


@pytest.mark.parametrize(("peer", "app"), CASES)
def test_every_answer_is_right(peer, app, monkeypatch):
    if peer.name == "flask" and find_spec("flask") is None:
        pytest.skip("Flask is not installed")
    monkeypatch.setenv("HIPFLASK_DEFAULTS", peer.environ.get("HIPFLASK_DEFAULTS", "flask"))
    driver = DRIVERS[peer.interface](peer.make(app))
    for name in set(names_of(app)) & set(peer.workloads):
        workload = WORKLOADS[name]
        calls = logged_in(driver, workload) if workload.has_session else workload.calls
        look_at(driver, workload, calls)
        assert driver.time(driver.prepare(calls), 3) >= 0
    driver.close()


# Wrong answers are noticed


def answer_of(body, status=200, **headers):
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, fields, body if isinstance(body, bytes) else json.dumps(body).encode())


JSON = {"content_type": "application/json"}
W4 = WORKLOADS["W4"]
WRONG = {
    "status": ("W1", 0, answer_of(b"Hello, World! 1", 500)),
    "text": ("W1", 0, answer_of(b"Hello, Moon! 1")),
    "no number": ("W1", 0, answer_of(b"Hello, World!")),
    "no json": ("W2", 0, answer_of(b"{", **JSON)),
    "content type": ("W2", 0, answer_of({"message": "Hello, World!", "number": 1})),
    "member missing": ("W2", 0, answer_of({"message": "Hello, World!"}, **JSON)),
    "parameter": ("W3", 2, answer_of({"id": 2, "limit": 9, "number": 1}, **JSON)),
    "number not given": ("W4", 0, answer_of(json.loads(W4.calls[0].body), **JSON)),
    "not escaped": ("W5", 0, answer_of(b"<tr" * 21 + b"Widget <19>", content_type="text/html")),
    "other route": ("W6", 1, answer_of(b"thing0 7 1")),
    "404 missed": ("W6", 3, answer_of(b"thing100 7 1")),
    "no cookie": ("W7", 0, answer_of({"visits": 1, "steps": 3}, **JSON)),
    "file": ("file", 0, answer_of(b"short")),
    "form": ("form", 0, answer_of({"name": "Ada", "number": 1}, **JSON)),
    "blueprint": ("blueprints", 0, answer_of(b"section0 5 1")),
}


@pytest.mark.parametrize(("name", "place", "answer"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_noticed(name, place, answer):
    workload = WORKLOADS[name]
    with pytest.raises(WrongAnswer):
        verify(workload, workload.calls[place], answer)


def test_an_unread_session_is_noticed():
    workload = WORKLOADS["W7"]
    fields = {f"x_after_{n}": str(n) for n in (1, 2, 3)}
    answer = answer_of({"visits": 1, "steps": 3}, set_cookie="session=x", **fields, **JSON)
    (first,) = workload.calls
    verify(workload, first, answer)
    with pytest.raises(WrongAnswer, match="not read"):
        verify(workload, replace(first, headers=(("Cookie", "session=x"),)), answer)


def test_an_order_that_ought_to_be_refused_and_is_not_is_noticed():
    call = W4.refused[0]
    verify(W4, call, answer_of(b"", 422))
    with pytest.raises(WrongAnswer, match="took a wrong body"):
        verify(W4, call, answer_of(json.loads(call.body), **JSON))


def test_the_same_answer_twice_is_noticed():
    class Keeping:
        def send(self, call):
            return answer_of(b"Hello, World! 1")

    with pytest.raises(WrongAnswer, match="same answer twice"):
        look_at(Keeping(), WORKLOADS["W1"], WORKLOADS["W1"].calls)


@pytest.mark.parametrize("call", W4.refused, ids=["type", "missing"])
def test_orders_are_checked_by_hand(call):
    assert read_order(make_order(1))["number"] > 0
    with pytest.raises(ValueError, match="not an order"):
        read_order(json.loads(call.body))


def test_w6v_has_as_many_paths_as_it_says():
    assert len({call.path for call in WORKLOADS["W6v"].calls}) == 5000


# Peers


def test_rows_are_found_by_name_and_interface():
    assert find("hipflask").interface == "wsgi"
    assert find("hipflask", "rsgi").module == "hipflask_async"
    with pytest.raises(LookupError, match="there is .*falcon"):
        find("zope")


def test_each_row_has_a_module_and_known_workloads():
    folder = ROOT / "benchmarks" / "peers"
    assert len({peer.key for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        assert (folder / f"{peer.module or peer.name}.py").is_file()
        assert set(peer.workloads) <= set(WORKLOADS)


def test_a_missing_package_is_named_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.peers.REASONS", tmp_path / "reasons.json")
    peer = replace(find("raw"), packages=("jinja2", "no-such-thing"))
    assert find("raw").missing() == ""
    assert peer.missing() == "no-such-thing is not installed"
    (tmp_path / "reasons.json").write_text('{"no-such-thing": "ERROR: no wheel"}')
    assert peer.missing() == "no-such-thing is not installed: ERROR: no wheel"


def test_every_peer_is_pinned():
    pinned = {line.partition("==")[0] for line in read_requirements()}
    wanted = {one for peer in PEERS for one in peer.packages}
    assert wanted - pinned == {"hipflask"}


def test_a_worker_answers_checks_and_times():
    worker = Worker(find("raw", "wsgi"), "core")
    try:
        assert worker.hear() == {}
        assert worker.ask(do="check", workload="W1")["cpu_s"] > 0
        assert worker.ask(do="time", workload="W1", count=10, slices=2)["cpu_s"] > 0
        with pytest.raises(RuntimeError, match="KeyError"):
            worker.ask(do="time", workload="W2", count=10, slices=2)
    finally:
        worker.close()


def test_a_worker_whose_peer_does_not_start_says_so():
    worker = Worker(replace(find("raw", "wsgi"), name="zope"), "core")
    try:
        with pytest.raises(RuntimeError, match="did not start: LookupError"):
            worker.hear()
        with pytest.raises(RuntimeError, match="the process ended"):
            worker.ask(do="check", workload="W1")
    finally:
        worker.close()


# Figures


def row(key, workload, *rounds, **more):
    peer, interface = key.split()
    return Row(peer, interface, workload, list(rounds), more=more)


ROWS = [
    row("raw wsgi", "W1", 1.0, 1.0, 1.0),
    row("hipflask wsgi", "W1", 2.0, 4.0, 2.2),
    row("hipflask_async wsgi", "W1", 1.5, 1.5, 1.5),
    row("falcon wsgi", "W1", 4.0, 8.0, 4.0),
    row("flask wsgi", "W1", 44.0, 44.0, 44.0),
    row("blacksheep asgi", "W1", 3.0, 3.0, 3.0),
]


def test_a_bound_is_judged_by_the_median_of_the_rounds_ratios():
    verdict = judge_bound(Bound("W1", "W1", 0.5, "falcon"), ROWS)
    assert (verdict.figure.ours, verdict.figure.held) == (0.5, True)
    assert (verdict.ours, verdict.other) == ("2.2 us", "4.0 us (falcon)")
    assert not judge_bound(Bound("W1", "W1", 0.49, "falcon"), ROWS).figure.held


def test_a_limit_above_one_is_a_multiple_of_ours():
    verdict = judge_bound(Bound("W1", "W1", 20, "flask"), ROWS)
    assert (verdict.figure.ours, verdict.figure.sign, verdict.figure.held) == (20.0, ">=", True)
    assert not judge_bound(Bound("W1", "W1", 21, "flask"), ROWS).figure.held


def test_the_best_is_a_peer_and_neither_raw_nor_ours():
    assert judge_bound(Bound("W1", "W1", 0.5), ROWS).other.endswith("(falcon)")
    both = Bound("W1", "W1", 0.5, among=figures.BOTH)
    assert judge_bound(both, ROWS).other.endswith("(blacksheep)")


@pytest.mark.parametrize("bound", [Bound("W1", "W1", 0.5, "bottle"), Bound("W2", "W2", 18)])
def test_a_missing_row_is_a_figure_missed(bound):
    verdict = judge_bound(bound, ROWS)
    assert not verdict.figure.held
    assert "no row" in verdict.other


@pytest.mark.parametrize(("high", "is_held"), [(6.9, True), (7.1, False)])
def test_the_page_is_judged_by_the_upper_end(high, is_held):
    ours = row("hipflask wsgi", "W5", 90.0, over_raw_us=5.0, low_us=3.1, high_us=high)
    assert judge_page([ours, row("raw wsgi", "W5", 85.0)]).figure.held is is_held
    assert not judge_page([replace(ours, more={}), row("raw wsgi", "W5", 85.0)]).figure.held


def test_a_run_without_rows_misses_every_figure():
    document = Document("inprocess")
    verdicts = judge(document)
    assert len(verdicts) == len(document.figures) == len(BOUNDS) + 1
    assert document.code == 1
    assert figures.format_verdicts(verdicts).count("MISSED") == len(verdicts)


def test_only_the_asked_workloads_are_judged():
    document = Document("inprocess", rows=ROWS)
    assert {figure.name[:2] for figure in judge_names(document, ["W1"])} == {"W1"}
    assert len(judge_names(document, ["W5"])) == 1


def judge_names(document, workloads):
    document.figures.clear()
    judge(document, workloads)
    return document.figures


def test_figures_have_names_of_their_own():
    assert len({bound.name for bound in BOUNDS}) == len(BOUNDS)


def test_an_interval_is_students():
    mean, half = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    assert half == pytest.approx(2.776 * math.sqrt(2.5 / 5))


# Whether a run counts


def run_of(**factors):
    """Return a run whose peers cost so many times what raw does, by median and least slice."""
    rows = [row("raw wsgi", "W1", 1.0, 1.0, least_us=1.0)]
    for peer, (median, least) in factors.items():
        rows.append(row(f"{peer} wsgi", "W1", median, median, least_us=least))
    set_ratios(rows)
    return Document("inprocess", rows=rows, python="CPython 3.11.7")


RECORDED = {"falcon wsgi": {"W1": 5.0}, "flask wsgi": {"W1": 50.0}}


@pytest.mark.parametrize(
    ("falcon", "is_void"),
    [
        ((5.0, 5.0), False),
        ((5.9, 5.8), False),
        ((6.1, 6.1), True),
        ((4.1, 4.1), True),
        ((9.0, 5.5), False),
        ((9.0, 4.0), False),
    ],
    ids=["same", "near", "dearer", "cheaper", "noisy", "both ways"],
)
def test_a_run_with_a_peer_far_from_its_ratio_is_void(falcon, is_void):
    document = run_of(falcon=falcon, flask=(50.0, 50.0), hipflask=(2.0, 2.0))
    notes = expected.judge_peers(document, RECORDED)
    assert [note.split()[:2] for note in notes] == ([["VOID:", "falcon"]] if is_void else [])
    assert document.code == int(is_void)


EVERYBODY = {f"peer{n} wsgi": {"W1": 2.0 + n} for n in range(9)}


@pytest.mark.parametrize(
    ("factor", "void"),
    [(1.0, []), (1.15, []), (1.3, ["peer4"]), (0.7, []), (0.6, ["peer4"])],
    ids=["none", "near", "dearer", "near what is recorded", "cheaper"],
)
def test_what_befalls_all_peers_is_no_peers_fault(factor, void):
    costs = {key.split()[0]: 1.3 * ratios["W1"] for key, ratios in EVERYBODY.items()}
    costs["peer4"] *= factor
    document = run_of(**{name: (cost, cost) for name, cost in costs.items()})
    said, *notes = expected.judge_peers(document, EVERYBODY)
    assert said.startswith("all peers: 1.30 times what is recorded")
    assert [note.split()[1] for note in notes] == void
    assert document.code == bool(void)


def test_no_more_than_a_busy_machine_is_put_down_to_all():
    costs = {key.split()[0]: 2 * ratios["W1"] for key, ratios in EVERYBODY.items()}
    document = run_of(**{name: (cost, cost) for name, cost in costs.items()})
    expected.judge_peers(document, EVERYBODY)
    assert document.code == 1


def test_a_peer_that_hops_threads_is_not_judged():
    document = run_of(falcon=(5.0, 5.0), flask_async=(900.0, 900.0))
    assert expected.judge_peers(document, RECORDED | {"flask_async wsgi": {"W1": 400.0}}) == []


def test_a_python_without_recorded_ratios_is_not_judged():
    document = replace(run_of(falcon=(9.0, 9.0)), python="CPython 3.99.1")
    assert expected.judge_peers(document) == ["peers not judged: no ratios are recorded for 3.99"]
    assert document.figures == []


def test_ratios_are_recorded_for_this_python_alone(tmp_path, monkeypatch):
    path = tmp_path / "expected.json"
    path.write_text(expected.dump({"3.13": RECORDED, "3.11": {"bottle wsgi": {"W1": 9.0}}}))
    monkeypatch.setattr(expected, "PATH", path)
    runs = [run_of(falcon=(6.0, 5.8)), run_of(falcon=(9.0, 5.5), hipflask=(2.0, 2.0))]
    assert expected.record(runs) == "3.11"
    assert expected.read("CPython 3.13.0") == RECORDED
    assert expected.read("CPython 3.11.9") == {
        "bottle wsgi": {"W1": 9.0},
        "falcon wsgi": {"W1": 5.5},
    }


def test_the_recorded_ratios_are_of_peers_that_exist():
    recorded = json.loads(expected.PATH.read_text(encoding="utf-8"))
    known = {peer.key: peer.workloads for peer in PEERS}
    for ratios in recorded.values():
        for key, found in ratios.items():
            assert set(found) <= set(known[key])


def test_progress_says_each_tenth_where_nobody_watches(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = Progress(20)
    for number in range(20):
        progress.step(f"step {number}")
    progress.end()
    lines = sys.stderr.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("100%")
