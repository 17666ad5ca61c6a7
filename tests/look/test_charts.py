"""Charts: what they draw, say and refuse. Literals in, text out."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask.look import bars, line, spark
from hipflask.look.charts import HEIGHT, MOST, WIDTH

NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**9), 10**9, places=2),
    st.floats(-1e300, 1e300, allow_nan=False),
)


def parse(chart):
    return ElementTree.fromstring(chart.svg)


def found(chart, kind):
    return [each for each in parse(chart).iter() if each.get("class") == kind]


def heights(chart):
    return [float(each.get("height")) for each in found(chart, "mark")]


def letters(chart):
    return [each.text for each in parse(chart).iter("text")]


def test_bars_stand_in_proportion_to_their_values():
    chart = bars([("Mon", 10), ("Tue", 20), ("Wed", None), ("Thu", 0)], title="Orders")
    first, second, nothing = heights(chart)
    assert second == pytest.approx(2 * first, abs=0.2) and nothing == 0


def test_bars_below_zero_hang_from_it():
    up, down = found(bars([("a", 5), ("b", -5)], title="Balance"), "mark")
    assert float(up.get("y")) + float(up.get("height")) == pytest.approx(float(down.get("y")))


def test_what_is_there_at_all_is_seen():
    chart = bars([("little", 1), ("much", 10**9)], title="Sizes")
    assert min(heights(chart)) == 1
    assert min(heights(spark([1, 10**9], title="Sizes"))) == 1


def test_a_gap_interrupts_a_line_and_a_lone_point_is_a_dot():
    chart = line([("a", 1), ("b", 2), ("c", None), ("d", 3)], title="Rate")
    assert len(found(chart, "trace")) == 1 and len(found(chart, "mark")) == 1


def test_a_line_far_from_zero_does_not_begin_there():
    assert "0" not in letters(line([("a", 980), ("b", 1000)], title="Level"))
    assert "0" in letters(bars([("a", 980), ("b", 1000)], title="Level"))


def test_what_is_under_a_line_is_filled_only_down_to_zero():
    assert not found(line([("a", 980), ("b", 1000)], title="Level"), "under")
    (under,) = found(line([("a", -5), ("b", 5)], title="Balance"), "under")
    zero = found(line([("a", -5), ("b", 5)], title="Balance"), "axis")[0].get("y1")
    assert under.get("points").split()[0].endswith(f",{zero}")


def test_the_marks_of_the_axis_are_round():
    chart = bars([("a", 1730)], title="Sum")
    assert [each for each in letters(chart) if each != "a"] == ["0", "500", "1000", "1500", "2000"]
    assert letters(bars([("a", 19_000)], title="Sum"))[:3] == ["0", "5k", "10k"]


def test_it_says_in_words_what_it_shows():
    chart = bars([("Mon", 1200), ("Tue", Decimal("0.5"))], title="Orders a day", unit="Orders")
    svg = parse(chart)
    title, desc = (svg.find(f"{{*}}{name}") for name in ("title", "desc"))
    if title is None:
        title, desc = svg.find("title"), svg.find("desc")
    assert title.text == "Orders a day"
    assert desc.text == "2 figures, from 0.5 orders (Tue) to 1\u202f200 orders (Mon)." == chart.said
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]


def test_its_figures_are_there_for_a_table():
    chart = line([("a", 1234.5), ("b", None), ("c", -2)], title="T", name="Day", unit="EUR")
    assert chart.rows == [("a", "1\u202f234.5"), ("b", "-"), ("c", "-2")]
    assert (chart.name, chart.unit) == ("Day", "EUR")


def test_two_charts_of_a_page_have_other_ids():
    ids = re.findall(r' id="([^"]+)"', "".join(bars([("a", 1)], title="T").svg for _ in range(3)))
    assert len(set(ids)) == len(ids) == 6


def test_a_spark_says_the_sum_and_the_highest():
    chart = spark([1, 0, None, 3], title="The last hour")
    assert parse(chart).get("aria-label") == "The last hour: 4 in all, at most 3." == chart.said
    assert spark([1], title="T", said="one thing").said == "one thing"


@pytest.mark.parametrize("make", [bars, line])
def test_nothing_is_no_fault(make):
    assert "no figures" in make([], title="Orders").said
    assert "no figures" in make([("a", None)], title="Orders").said
    parse(make([("a", 0)], title="Zero"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="no place for"):
        bars([("a", value)], title="T")


def test_more_points_than_a_screen_shows_are_refused():
    line([(place, place) for place in range(MOST)], title="T")
    with pytest.raises(ValueError, match="sum them up"):
        line([(place, place) for place in range(MOST + 1)], title="T")


def test_labels_are_text_and_do_nothing():
    chart = bars([("<script>\u202e\x00", 1)], title='"><b>', name="&", unit="<i>")
    parse(chart)
    assert "<script" not in chart.svg and "\u202e" not in chart.svg and "\x00" not in chart.svg


def test_nothing_is_inline_that_a_strict_policy_refuses():
    for chart in (bars([("a", 1)], title="T"), line([("a", 1), ("b", 2)], title="T")):
        assert not re.search(r"style=|<style|\son\w+=|href=|<script", chart.svg)


def test_long_labels_are_cut_and_many_are_thinned():
    chart = bars([(f"a long label {place}", place) for place in range(60)], title="T")
    shown = [each for each in letters(chart) if each.startswith("a long")]
    assert 1 < len(shown) < 12 and all(len(each) <= 14 for each in shown)


@given(st.lists(st.tuples(st.text(max_size=20), NUMBERS), max_size=30))
def test_whatever_the_figures_it_is_well_formed_and_within_its_frame(points):
    for make in (bars, line):
        chart = make(points, title="T")
        for each in parse(chart).iter():
            for name, most in (("x", WIDTH), ("y", HEIGHT), ("cx", WIDTH), ("cy", HEIGHT)):
                if each.get(name) is not None:
                    assert -1 <= float(each.get(name)) <= most + 1
            size = (each.get("width"), each.get("height"))
            assert all(value is None or float(value) >= 0 for value in size)
    parse(spark([value for _, value in points], title="T"))
