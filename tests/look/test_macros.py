"""What pages are made of, as it comes out: names, labels, errors, and nothing that is not text."""

from __future__ import annotations

import re

import pytest

from hipflask.look import Look, bars


@pytest.fixture
def render(tmp_path):
    environment = Look("pages", tmp_path, has_script=False).environment

    def render(source, **names):
        text = '{% import "look/macros.html" as look %}' + source
        return re.sub(r"\s+", " ", environment.from_string(text).render(names))

    return render


def test_a_field_is_tied_to_its_label_help_and_error(render):
    text = render(
        '{{ look.input("amount", "Amount", "12", "number", help="In EUR", error="Too much",'
        ' required=true, attrs={"max": 500}) }}'
    )
    assert '<label for="f-amount">Amount</label>' in text
    assert 'aria-describedby="f-amount-help f-amount-error"' in text
    assert 'aria-invalid="true"' in text and "required" in text and 'max="500"' in text
    assert 'id="f-amount-help"' in text and 'id="f-amount-error"' in text
    plain = render('{{ look.input("amount", "Amount") }}')
    assert "aria-" not in plain and "(optional)" in plain


def test_what_was_typed_is_text(render):
    typed = '"><script>'
    for macro in ("input", "area"):
        text = render(f'{{{{ look.{macro}("a", "A", value=typed) }}}}', typed=typed)
        assert "<script" not in text and "&lt;script&gt;" in text


def test_a_text_keeps_its_first_line_feed(tmp_path):
    environment = Look("pages", tmp_path).environment
    source = '{% import "look/macros.html" as look %}{{ look.area("a", "A", value="\\n\\nx") }}'
    assert ">\n\n\nx</textarea>" in environment.from_string(source).render()


def test_neither_a_password_nor_a_file_is_filled_in(render):
    for type in ("password", "file"):
        text = render(f'{{{{ look.input("a", "A", "secret", "{type}") }}}}')
        assert "secret" not in text


def test_names_that_are_no_ids_become_some(render):
    text = render('{{ look.input("a b/é", "A", help="h") }}')
    anchor = "f-a_20_b_2f__e9_"
    assert f'id="{anchor}"' in text and f'aria-describedby="{anchor}-help"' in text
    assert 'name="a b/é"' in text


def test_choices_are_chosen(render):
    text = render(
        '{{ look.select("a", "A", [("1", "One"), (2, "Two")], chosen=2) }}'
        '{{ look.select("b", "B", ["x", "y"], chosen=["x", "y"], attrs={"multiple": ""}) }}'
    )
    assert '<option value="2" selected>Two</option>' in text and '"1">One' in text
    assert "<option selected>x</option>" in text and "<option selected>y</option>" in text


def test_ticks_stand_below_their_legend(render):
    text = render(
        '{{ look.ticks("a", "Which", ["x", "y"], ["y"], error="Too few") }}'
        '{{ look.tick("b", "Sure", true, help="Really") }}'
    )
    assert "<legend>Which</legend>" in text and 'value="y" checked' in text
    assert 'aria-describedby="f-a-error"' in text and 'aria-describedby="f-b-help"' in text


def test_errors_lead_to_their_fields(render):
    text = render('{{ look.errors({"a b": "Too long"}, {"a b": "Name"}) }}{{ look.errors({}) }}')
    assert text.count('role="alert"') == 1
    assert '<a href="#f-a_20_b">Name</a>: Too long' in text.replace("a_20_b_", "a_20_b")


def test_what_failed_is_read_out_at_once(render):
    assert 'role="alert"' in render('{{ look.flash("No", "bad") }}')
    assert 'role="status"' in render('{{ look.flash("Yes", "good") }}')


@pytest.mark.parametrize(
    ("state", "tone", "shown"),
    [
        ("done", "good", "done"),
        ("awaiting_approval", "odd", "awaiting approval"),
        ("awaiting approval", "odd", "awaiting approval"),
        ("failed", "bad", "failed"),
        ("cancelled", "soft", "cancelled"),
        ("unheard of", "", "unheard of"),
    ],
)
def test_a_state_is_told_in_words_too(render, state, tone, shown):
    text = render("{{ look.badge(state) }}", state=state)
    assert (
        re.search(rf'class="badge( {tone})? [a-z]', text)
        and tone in text
        and f">{shown}</span>" in text
    )


def test_a_table_says_how_it_is_sorted_and_labels_its_cells(render):
    text = render(
        '{% call look.table("Orders", [{"label": "Id", "href": "?sort=id", "sort": "descending"},'
        ' {"label": "Sum", "n": true}]) %}<tr role="row">{% call look.rowhead() %}1{% endcall %}'
        '{% call look.cell("sum", "n") %}2{% endcall %}</tr>{% endcall %}'
    )
    assert 'aria-sort="descending"' in text and 'href="?sort=id"' in text
    assert '<td role="cell" class="n" data-label="sum">2</td>' in text
    assert 'aria-label="Orders"' in text


def test_rows_are_picked_by_boxes_that_have_names(render):
    text = render('{{ look.pick("row", "7", "Order 7", true, "do") }}')
    assert 'name="row" value="7"' in text and 'form="do"' in text and "checked" in text
    assert 'aria-label="Order 7"' in text


def test_a_chart_stands_beside_its_figures(render):
    drawn = bars([("Mon", 1), ("Tue", 2)], title="Orders", name="Day", unit="Orders")
    text = render('{{ look.chart(drawn, "Orders a day") }}', drawn=drawn)
    assert "<svg" in text and "<figcaption>Orders a day</figcaption>" in text
    assert 'scope="row">Tue</th><td role="cell" class="n">2</td>' in text


def test_pages_are_links(render):
    text = render('{{ look.pager("?page=1", "?page=3", "21 to 40 of 50") }}')
    assert 'href="?page=1" rel="prev"' in text and 'href="?page=3" rel="next"' in text
    assert render("{{ look.pager() }}").strip() == ""
