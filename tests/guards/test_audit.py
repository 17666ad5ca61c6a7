"""The audit of fields and cookies: all of both levels in the production profile."""

from __future__ import annotations

import pytest

from .audit import audit, hostile


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_the_production_profile_passes_all_checks(door):
    found = audit(True, door)
    assert {name: failed for name, (_, _, failed) in found.items()} == {
        "level 1": [],
        "level 2": [],
    }
    assert found["level 1"][1] >= 65 and found["level 2"][1] >= 25


def test_a_bare_application_does_not_pass_so_the_checks_can_fail():
    found = audit(False)
    for passed, total, _ in found.values():
        assert passed < total - 10


def test_the_battery_for_make_hostile():
    made, failed = hostile()
    assert made >= 3 * 90 and failed == 0
