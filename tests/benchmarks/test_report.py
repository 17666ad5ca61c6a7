"""Tables, pictures and documents from made-up rows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchmarks.document import (
    Document,
    Figure,
    Row,
    dump_document,
    parse_document,
    set_ratios,
)
from benchmarks.pictures import Bar, Line, Panel, Plot, Scale, draw_bars, draw_lines, spread, wrap
from benchmarks.report import (
    draw_comparison,
    draw_growth,
    draw_http,
    dump_markdown,
    format_table,
    write_all,
)

SVG = "{http://www.w3.org/2000/svg}"
COSTS = {"raw": 1.0, "hipflask": 2.0, "falcon": 5.0, "flask": 40.0}


def make_run() -> Document:
    """A run of four peers under WSGI; Falcon did not finish W4, Flask has no W6v."""
    document = Document("inprocess", machine="Linux, 2 x made up", python="CPython 3.11.7")
    for peer, cost in COSTS.items():
        for place, name in enumerate(("W1", "W2", "W3", "W4", "W6v"), start=1):
            if (peer, name) == ("flask", "W6v"):
                continue
            row = Row(peer, "wsgi", name, [cost * place, cost * place * 1.1, cost * place * 1.2])
            if (peer, name) == ("falcon", "W4"):
                row.rounds, row.died = [], "ended with SIGABRT: too bad"
            document.rows.append(row)
    set_ratios(document.rows)
    document.figures = [Figure("W1: ours / Falcon's", 0.4, 0.75), Figure("W2", 0.9, 0.7)]
    document.notes = ["robyn: not installed"]
    document.versions = {"hipflask": "0.1.0"}
    return document


def make_growth() -> Document:
    document = Document("growth")
    for peer, slope in (("flask", 0.0), ("starlette", 0.35), ("hipflask", 0.0)):
        for count in (10, 100, 1000):
            row = Row(peer, "routes", f"routes {count}", [7 + slope * count])
            document.rows.append(row)
    return document


def texts_of(picture: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(picture).iter(f"{SVG}text")]


# --- documents ---------------------------------------------------------------------------


def test_a_document_reads_back_as_it_was_written() -> None:
    document = make_run()
    assert parse_document(dump_document(document)) == document


def test_json_names_median_and_best_with_their_unit() -> None:
    document = Document("startup", rows=[Row("flask", "", "import ms", [3.0, 2.0], unit="ms")])
    text = dump_document(document)
    assert '"median_ms": 2.5' in text
    assert '"best_ms": 2.0' in text


def test_ratio_is_the_median_over_rounds_of_the_same_number() -> None:
    # A busy second round bothered both: by medians alone the ratio would be 12 / 6.
    rows = [Row("raw", "wsgi", "W1", [1, 10, 2]), Row("hipflask", "wsgi", "W1", [3, 30, 6])]
    set_ratios(rows)
    assert rows[1].ratio_to_raw == 3
    assert rows[1].best_ratio == 3


def test_ratio_is_to_the_same_interface_and_workload() -> None:
    rows = [Row("raw", "asgi", "W1", [1.0]), Row("hipflask", "wsgi", "W1", [3.0])]
    set_ratios(rows)
    assert rows[1].ratio_to_raw is None


@pytest.mark.parametrize(
    ("ours", "sign", "held"),
    [(1.0, "<=", True), (1.1, "<=", False), (3, ">=", True), (2, ">=", False)],
)
def test_figure_holds_up_to_its_limit(ours: float, sign: str, held: bool) -> None:
    limit = 1.0 if sign == "<=" else 3.0
    assert Figure("made up", ours, limit, sign).held is held


def test_a_missed_figure_makes_the_exit_code_1() -> None:
    document = make_run()
    assert document.code == 1
    document.figures.pop()
    assert document.code == 0


# --- Markdown ----------------------------------------------------------------------------


def test_table_is_aligned_and_has_a_column_for_each_head() -> None:
    lines = format_table(["peer", "W1"], [["hipflask", "2.0"], ["raw", "10.0"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert {line.count("|") for line in lines} == {3}


def test_markdown_lists_peers_quickest_first_with_their_ratios() -> None:
    lines = dump_markdown(make_run()).splitlines()
    peers = [
        line.split()[1] for line in lines if re.match(r"\| (raw|hipflask|falcon|flask) ", line)
    ]
    assert peers == ["raw", "hipflask", "falcon", "flask"]
    assert any("2.2 / 2.0 (2.0x)" in line for line in lines)


def test_markdown_says_what_died_what_is_missing_and_what_was_missed() -> None:
    text = dump_markdown(make_run())
    assert "- falcon wsgi, W4: ended with SIGABRT: too bad" in text
    assert "- robyn: not installed" in text
    assert re.search(r"W2 .*0\.90x.*<= 0\.7x.*MISSED", text)


def test_markdown_of_loads_shows_rate_latency_and_memory() -> None:
    document = Document("over_http")
    more = {
        "requests_s": 12345.0,
        "p50_ms": 1.2,
        "p99_ms": 8.7,
        "rss_mb": 90.2,
        "worker_rss_mb": 51.0,
    }
    document.rows = [Row("hipflask", "rsgi", "W1", [20.0], server="serve", more=more)]
    text = dump_markdown(document)
    assert "hipflask @ serve" in text
    assert "20.0 us 12.3k 1.2/9" in text
    assert "90/51" in text


def test_markdown_of_growth_has_a_table_for_each_thing() -> None:
    text = dump_markdown(make_growth())
    assert re.search(r"\| routes +\| +10 \| +100 \| +1000 \|", text)


# --- pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("picture", [draw_comparison(make_run()), draw_growth(make_growth())])
def test_pictures_are_well_formed_and_speak_to_those_who_hear_them(picture: str) -> None:
    root = ElementTree.fromstring(picture)
    named = root.get("aria-labelledby", "").split()
    assert root.get("role") == "img"
    assert [root.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")] == named
    assert all(root.find(f"{SVG}{tag}").text for tag in ("title", "desc"))
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text
    assert int(root.get("width")) <= 420


@pytest.mark.parametrize("picture", [draw_comparison(make_run()), draw_growth(make_growth())])
def test_nothing_is_drawn_outside_the_picture(picture: str) -> None:
    root = ElementTree.fromstring(picture)
    width, height = float(root.get("width")), float(root.get("height"))
    for one in root.iter():
        if one.tag in (f"{SVG}text", f"{SVG}rect", f"{SVG}circle"):
            x, y = (float(one.get(name, one.get(f"c{name}"))) for name in "xy")
            assert 0 <= x + float(one.get("width", 0)) <= width
            assert 0 <= y + float(one.get("height", 0)) <= height


def test_comparison_shows_whoever_finished_all_of_w1_to_w4_and_highlights_ours() -> None:
    root = ElementTree.fromstring(draw_comparison(make_run()))
    words = texts_of(draw_comparison(make_run()))
    assert "Falcon" not in words  # it died in W4
    assert words.index("hipflask") < words.index("Flask")
    assert [one.get("class") for one in root.iter(f"{SVG}rect")].count("bar ours") == 1


def test_picture_of_loads_takes_each_peers_best_server() -> None:
    document = Document("over_http")
    for peer, server, cost in (
        ("hipflask", "serve", 30),
        ("hipflask", "granian", 20),
        ("robyn", "own", 9),
    ):
        for name in ("W1", "W2", "W3", "W4"):
            document.rows.append(Row(peer, "rsgi", name, [cost], server=server))
    words = texts_of(draw_http(document))
    assert "20 µs" in words and "30 µs" not in words
    assert words.index("Servers with a core of their own") < words.index("Robyn")


def test_growth_draws_a_line_for_each_peer_and_ours_is_named_strongly() -> None:
    root = ElementTree.fromstring(draw_growth(make_growth()))
    lines = [one for one in root.iter(f"{SVG}path") if "line" in one.get("class", "").split()]
    assert len(lines) == 3
    strong = [one.text for one in root.iter(f"{SVG}text") if "strong" in one.get("class", "")]
    assert strong == ["hipflask"]


def test_text_is_escaped() -> None:
    picture = draw_bars("a < b & c", "", [Panel("<p>", [Bar("<b>", 2, "&")])])
    assert {"a < b & c", "<p>", "<b>", "&"} <= set(texts_of(picture))


def test_bars_begin_at_the_limit_and_a_tenfold_has_the_same_length() -> None:
    bars = [Bar(str(value), value, "") for value in (1.0, 10.0, 100.0)]
    root = ElementTree.fromstring(draw_bars("", "", [Panel("", bars)]))
    lengths = [float(one.get("width")) for one in root.iter(f"{SVG}rect")][1:]
    assert lengths[0] <= 2  # seen, but next to nothing
    assert lengths[2] == pytest.approx(2 * lengths[1], rel=0.01)


def test_a_flat_line_is_drawn_flat() -> None:
    picture = draw_lines("", "", [Plot("", [Line("a", [(1, 5.0), (10, 5.0), (100, 5.0)])])])
    places = {one.get("cy") for one in ElementTree.fromstring(picture).iter(f"{SVG}circle")}
    assert len(places) == 1


def test_labels_are_spread_and_keep_their_order() -> None:
    moved = spread([10.0, 11.0, 12.0, 80.0], 15.0)
    assert moved == sorted(moved)
    assert min(b - a for a, b in zip(moved, moved[1:], strict=False)) >= 14.9


@pytest.mark.parametrize("high", [1.5, 7.0, 42.0, 900.0, 2e6])
def test_scales_have_a_readable_number_of_ticks(high: float) -> None:
    for log in (True, False):
        ticks = Scale(1.0 if log else 0.0, high, 0, 100, log=log).ticks()
        assert 1 <= len(ticks) <= 8
        assert all(tick <= high * 1.001 for tick in ticks)


def test_wrapping_keeps_every_word() -> None:
    text = "one two three four five six seven"
    lines = list(wrap(text, 12))
    assert " ".join(lines) == text
    assert max(map(len, lines)) <= 12


def test_everything_is_written_into_the_folder(tmp_path) -> None:
    files = write_all(make_run(), tmp_path)
    assert [path.name for path in files] == ["inprocess.json", "inprocess.md", "inprocess.svg"]
    assert all(path.stat().st_size for path in files)
