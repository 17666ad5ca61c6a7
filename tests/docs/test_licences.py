"""docs/lookup/licences.md tells every package that an installation brings, and its licence."""

from __future__ import annotations

from .licences import PAGE, find_licence, find_packages, make_page, read_rows

TOLD = read_rows(PAGE.read_text(encoding="utf-8"))
#: What a service may be built on and sold with, without a word to anybody but a notice.
FREE = {"MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0"}
#: What asks for more, and where it comes in.
OTHERS = {
    "certifi": "MPL-2.0",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
}


def test_every_package_that_may_come_is_told():
    assert TOLD.keys() == find_packages().keys(), "run: python tests/docs/licences.py"


def test_licences_are_those_of_the_metadata():
    text = PAGE.read_text(encoding="utf-8")
    assert make_page(text) == text, "run: python tests/docs/licences.py"
    assert find_licence("werkzeug") == "BSD-3-Clause"
    assert find_licence("jinja2") == "BSD-3-Clause"
    assert find_licence("no-such-package") is None


def test_licences_ask_for_no_more_than_is_said():
    for name, (licence, _) in TOLD.items():
        free = FREE.intersection(licence.split(" OR "))
        assert free or OTHERS.get(name) == licence, f"{name}: {licence}"
    assert all(TOLD[name][1] != "always" for name in OTHERS)
