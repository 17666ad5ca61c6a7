"""Which forms are taken for our own."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from hipflask.look import check_origin


def request(**headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(method="POST", headers=fields).get_environ())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "https://LOCALHOST"},
    ],
)
def test_our_own_forms_and_programs_pass(headers):
    check_origin(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://localhost"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": ""},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://[::1"},
        {"Origin": "ftp://localhost"},
    ],
)
def test_others_do_not(headers):
    with pytest.raises(Forbidden, match="another site"):
        check_origin(request(**headers))


def test_what_no_page_made_passes_if_that_is_said():
    check_origin(request(Sec_Fetch_Site="none"), also="none")
    with pytest.raises(Forbidden):
        check_origin(request(Sec_Fetch_Site="cross-site"), also="none")
    with pytest.raises(Forbidden):
        check_origin(request(Sec_Fetch_Site=""), also="")
