from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask.forward import Compare, Seen
from hipflask.forward.compare import unpacked
from hipflask.scaffold import SetupError

JSON = (("Content-Type", "application/json"),)


def seen(value: Any, status: int = 200) -> Seen:
    return Seen(status, JSON, json.dumps(value).encode())


def places(one: Any, other: Any, **options: Any) -> list[str]:
    return sorted(Compare(**options).differences(seen(one), seen(other)))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 1}, {"a": "1"}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"a": {"b": [{"c": 1}, {"c": 2}]}}, {"a": {"b": [{"c": 1}, {"c": 3}]}}, ["a.b[*].c"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a.length"]),
        ([1], {"a": 1}, ["body"]),
        (1, 2, ["body"]),
    ],
)
def test_places_are_told_apart(one: Any, other: Any, expected: list[str]) -> None:
    assert places(one, other) == expected
    assert places(other, one) == expected


@pytest.mark.parametrize(
    ("coding", "body", "expected"),
    [
        ("", b"plain", b"plain"),
        ("identity", b"plain", b"plain"),
        ("gzip", gzip.compress(b"plain", mtime=0), b"plain"),
        ("X-GZip", gzip.compress(b"plain", mtime=0), b"plain"),
        ("deflate", zlib.compress(b"plain"), b"plain"),
        ("gzip", b"", b""),
        ("gzip", b"plain", None),
        ("gzip", gzip.compress(b"plain", mtime=0)[:-1], None),
        ("gzip", gzip.compress(b"\0" * 20_000_000, mtime=0), None),
        ("br", b"plain", None),
    ],
)
def test_unpacked(coding: str, body: bytes, expected: bytes | None) -> None:
    assert unpacked(Seen(200, (("Content-Encoding", coding),), body)).body == expected


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (("at",), ["items[*].at", "items[*].price", "meta.at"]),
        (("**.at",), ["items[*].price"]),
        (("items[*].*",), ["at", "meta.at"]),
        (("items**",), ["at", "meta.at"]),
        (("*",), ["items[*].at", "items[*].price", "meta.at"]),
        (("**",), []),
        (("meta.at", "at", "items[*].at", "items[*].price"), []),
    ],
)
def test_what_is_ignored_is_no_difference(ignore: tuple[str, ...], left: list[str]) -> None:
    one = {"at": 1, "items": [{"price": 1, "at": 1}], "meta": {"at": 1}}
    other = {"at": 2, "items": [{"price": 2, "at": 2}], "meta": {"at": 2}}
    assert places(one, other, ignore=ignore) == left


def test_another_status_is_all_that_is_told() -> None:
    assert list(Compare().differences(seen({"a": 1}), seen({"b": 1}, 404))) == ["status"]
    ignoring = Compare(ignore=("status",))
    assert list(ignoring.differences(seen({"a": 1}), seen({"a": 2}, 404))) == ["a"]


def test_chosen_fields_are_compared() -> None:
    one = Seen(200, (("X-A", "1"), ("Location", "/a")), b"")
    other = Seen(200, (("x-a", "2"), ("location", "/b")), b"")
    assert list(Compare().differences(one, other)) == ["header:location"]
    assert list(Compare(headers=("X-A",)).differences(one, other)) == ["header:x-a"]


def test_what_is_no_json_is_one_place() -> None:
    one, other = Seen(200, (), b"<p>one"), Seen(200, (), b"<p>two")
    assert list(Compare().differences(one, other)) == ["body"]
    broken = Seen(200, JSON, b"{")
    assert list(Compare().differences(broken, seen({}))) == ["body"]
    deep = Seen(200, JSON, b"[" * 100_000 + b"]" * 100_000)
    assert list(Compare().differences(deep, seen({}))) == ["body"]


def test_what_is_too_long_is_not_compared() -> None:
    assert Compare().differences(Seen(200, JSON, None), seen({})) == {}


def test_clean_says_what_is_compared() -> None:
    def clean(answer: Seen) -> Any:
        text = (answer.body or b"").decode()
        return re.sub(r"\d\d:\d\d", "(time)", text)

    compare = Compare(clean=clean)
    one, other = Seen(200, (), b"at 10:00: a"), Seen(200, (), b"at 10:01: a")
    assert compare.differences(one, other) == {}
    assert list(compare.differences(one, Seen(200, (), b"at 10:01: b"))) == ["body"]


def test_a_sample_is_a_line() -> None:
    compare = Compare()
    long = "x" * 500
    found = compare.differences(seen({"a": long + "1\n"}), seen({"a": long + "2\n"}))
    sample = compare.sample("GET /a", found["a"])
    assert sample is not None
    assert sample["request"] == "GET /a"
    assert "1" in sample["old"] and "2" in sample["new"]
    assert all(len(text) <= 80 and text.isprintable() for text in sample.values())
    assert compare.sample("GET /a", ({"b": 1}, None))["old"] == '{"b":1}'  # type: ignore[index]
    gone = compare.differences(seen({"a": 1}), seen({}))["a"]
    assert compare.sample("", gone) == {"request": "", "old": "1", "new": "(nothing)"}
    assert Compare(samples=False).sample("GET /a", found["a"]) is None


def test_a_flood_of_differences_has_an_end() -> None:
    one = {str(number): number for number in range(5000)}
    other = {str(number): -number - 1 for number in range(5000)}
    assert len(Compare().differences(seen(one), seen(other))) == 100


def test_lists_are_tuples() -> None:
    with pytest.raises(SetupError):
        Compare(ignore="a")  # type: ignore[arg-type]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=1), below)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(values, values)
def test_deepdiff_finds_the_same_places(one: Any, other: Any) -> None:
    """Ours is written for speed; what counts as different is deepdiff's word."""
    deepdiff = pytest.importorskip("deepdiff")
    theirs = deepdiff.DeepDiff(one, other, zip_ordered_iterables=True, threshold_to_diff_deeper=0)
    ours = places(one, other)
    assert bool(theirs) == bool(ours)
    found = set()
    for kind, rows in theirs.items():
        for path in rows:
            place = re.sub(r"\[\d+\]", "[*]", path.removeprefix("root"))
            place = re.sub(r"\['(\w+)'\]", r".\1", place).removeprefix(".")
            if kind.startswith("iterable_item"):
                place = place.removesuffix("[*]") + ".length"
            found.add(place or "body")
    assert found == set(ours)
