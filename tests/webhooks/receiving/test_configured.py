"""Secrets are named, and found in the configuration or the environment; never shown."""

from __future__ import annotations

import pytest

from hipflask.scaffold import SetupError
from hipflask.webhooks.configured import check_names, read_secrets, read_text


def test_config_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "of the environment")
    assert read_secrets({"HOOK_SECRET": "of the config"}, ("HOOK_SECRET",), "x") == [
        "of the config"
    ]
    assert read_secrets({}, ("HOOK_SECRET",), "x") == ["of the environment"]
    assert read_secrets({"HOOK_SECRET": None}, ("HOOK_SECRET",), "x") == ["of the environment"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("new,old", ["new", "old"]),
        (" new , old ,", ["new", "old"]),
        (["new, with a comma", b"old"], ["new, with a comma", b"old"]),
        (("one",), ["one"]),
        (b"bytes", [b"bytes"]),
    ],
)
def test_several_secrets(value, found):
    assert read_secrets({"S": value}, ("S",), "x") == found


def test_several_names_are_tried_in_order():
    assert read_secrets({"NEW": "n", "OLD": "o"}, ("NEW", "OLD"), "x") == ["n", "o"]


def test_missing_secret_names_both_places(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(SetupError) as caught:
        read_secrets({}, ("NOWHERE",), "The source 'a' (app.py:3)")
    assert str(caught.value) == (
        "The source 'a' (app.py:3) needs the setting NOWHERE, which is in neither place: not in"
        " app.config['NOWHERE'] and not in the environment variable NOWHERE. Set one of them"
        " before the application is served."
    )


@pytest.mark.parametrize("given", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZ", ["GOOD", "s3cret"], "", 7])
def test_a_secret_in_place_of_a_name_is_not_shown(given):
    with pytest.raises(SetupError) as caught:
        check_names(given if given != 7 else [7], "The source 'a'")
    assert "whsec" not in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [[7], {"a": 1}, [None], [","]])
def test_what_is_no_secret(value):
    if value == [","]:
        assert read_secrets({"S": value}, ("S",), "x") == [","]
        return
    with pytest.raises(SetupError, match="the setting S holds a"):
        read_secrets({"S": value}, ("S",), "x")


def test_empty_and_too_many():
    with pytest.raises(SetupError, match="is empty"):
        read_secrets({"S": " , "}, ("S",), "x")
    with pytest.raises(SetupError, match="11 secrets, and at most 10"):
        read_secrets({"S": ",".join("abcdefghijk")}, ("S",), "x")


def test_a_text_is_itself_or_named(monkeypatch):
    monkeypatch.setenv("HOOK_URL", "https://example.com/a")
    assert read_text({}, "https://example.com/b", "x") == "https://example.com/b"
    assert read_text({}, "HOOK_URL", "x") == "https://example.com/a"
    assert read_text({}, None, "x") is None
    with pytest.raises(SetupError, match="holds a int, not text"):
        read_text({"HOOK_URL": 7}, "HOOK_URL", "x")
