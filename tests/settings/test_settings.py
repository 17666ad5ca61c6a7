"""Settings: every source, their order, all errors at once, nothing secret shown."""

from __future__ import annotations

import json
import pickle
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field

from hipflask import Flask
from hipflask.settings import Secret, Settings, SettingsError, shown
from hipflask.settings.reading import WrongValue, read_value


class Mail(Settings):
    host: str = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] = 25


class Shop(Settings):
    database_url: str
    stripe_key: Secret
    page_size: Annotated[int, Meta(ge=1, le=500)] = 50
    hosts: list[str] = field(default_factory=list)
    debug: bool = False
    mail: Mail = Mail()


NEEDED = {"SHOP_DATABASE_URL": "sqlite:///shop.db", "SHOP_STRIPE_KEY": "sk_live_1"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIPFLASK_SECRETS", str(tmp_path / "secrets"))
    (tmp_path / "secrets").mkdir()
    return tmp_path


def load(environ=NEEDED, **given):
    return Shop.load(environ={"HIPFLASK_SECRETS": "secrets", **environ}, **given)


def flaws_of(environ, **given):
    with pytest.raises(SettingsError) as caught:
        load(environ, **given)
    return caught.value.flaws


def test_fields_are_filled_from_the_environment_by_the_name_of_the_class():
    settings = load({**NEEDED, "SHOP_PAGE_SIZE": "7", "SHOP_MAIL__PORT": "2525"})
    assert settings.database_url == "sqlite:///shop.db"
    assert settings.stripe_key.reveal() == "sk_live_1"
    assert (settings.page_size, settings.mail.port, settings.mail.host) == (7, 2525, "localhost")
    with pytest.raises(AttributeError):
        settings.page_size = 8


def test_a_prefix_may_be_chosen_and_left_out():
    class APIServer(Settings):
        port: int = 1

    assert APIServer.load(environ={"API_SERVER_PORT": "2"}).port == 2
    assert APIServer.load(prefix="x_", environ={"X_PORT": "3"}).port == 3
    assert APIServer.load(prefix="", environ={"PORT": "4"}).port == 4


def test_each_place_wins_over_the_one_before(empty_folder):
    app = Flask("shop")

    def origin(environ):
        settings = load(environ, app=app) if environ is not None else None
        (row,) = [row for row in shown(app) if row.name == "SHOP_PAGE_SIZE"]
        return settings.page_size, row.origin.partition(",")[0].rpartition("/")[2]

    assert origin(NEEDED) == (50, "default")
    (empty_folder / "pyproject.toml").write_text("[tool.shop]\npage_size = 1\n")
    assert origin(NEEDED) == (1, "pyproject.toml")
    (empty_folder / ".env").write_text("SHOP_PAGE_SIZE=2\n")
    assert origin(NEEDED) == (2, ".env")
    # What the command line copied from .env into the environment is still .env's.
    assert origin({**NEEDED, "SHOP_PAGE_SIZE": "2"}) == (2, ".env")
    assert origin({**NEEDED, "SHOP_PAGE_SIZE": "3"}) == (3, "environment")
    (empty_folder / "secrets" / "shop_page_size").write_text("4\n")
    assert origin({**NEEDED, "SHOP_PAGE_SIZE": "3"}) == (4, "shop_page_size")


def test_a_file_of_ones_own_stands_in_for_pyproject(empty_folder):
    (empty_folder / "pyproject.toml").write_text("[tool.shop]\npage_size = 1\n")
    own = empty_folder / "shop.toml"
    own.write_text('database_url = "x"\nhosts = ["a", "b"]\n[mail]\nport = 99\n')
    settings = load({"SHOP_STRIPE_KEY": "k"}, file=own)
    assert (settings.page_size, settings.hosts, settings.mail.port) == (50, ["a", "b"], 99)


def test_a_secret_is_read_from_where_a_variable_points(empty_folder):
    (empty_folder / "key").write_text("sk_from_file\n")
    environ = {"SHOP_DATABASE_URL": "x", "SHOP_STRIPE_KEY_FILE": str(empty_folder / "key")}
    assert load(environ).stripe_key == Secret("sk_from_file")
    environ["SHOP_STRIPE_KEY_FILE"] = str(empty_folder / "none")
    assert flaws_of(environ) == [
        f"SHOP_STRIPE_KEY_FILE: {empty_folder / 'none'} cannot be read: No such file or directory"
    ]


def test_all_that_is_missing_or_wrong_is_told_at_once(empty_folder):
    (empty_folder / "pyproject.toml").write_text(
        '[tool.shop]\npage_siz = 5\ndebug = "perhaps"\n[tool.shop.mail]\nport = 0\nhots = 1\n'
    )
    flaws = flaws_of({"SHOP_STRIPE_KYE": "sk_live_1", "SHOP_PAGE_SIZE": "a lot"})
    said = "\n".join(flaws)
    assert len(flaws) == 7
    assert "SHOP_DATABASE_URL: missing. Set it in the environment" in said
    assert "SHOP_STRIPE_KYE is set: did you mean that?" in said
    assert "SHOP_PAGE_SIZE: environment, SHOP_PAGE_SIZE: expected `int`" in said
    assert "SHOP_DEBUG:" in said and "tool.shop.debug: expected `bool`" in said
    assert "tool.shop.mail.port: expected `int` >= 1" in said
    assert "tool.shop.page_siz: there is no such setting; did you mean 'page_size'?" in said
    assert "tool.shop.mail.hots: there is no such setting; did you mean 'host'?" in said
    assert "a lot" not in said and "perhaps" not in said and "sk_live" not in said


def test_a_file_that_is_none_is_one_line(empty_folder):
    (empty_folder / "pyproject.toml").write_text("[tool.shop\n")
    (flaw,) = flaws_of(NEEDED)
    assert "is not TOML" in flaw
    (flaw,) = flaws_of(NEEDED, file=empty_folder / "missing.toml")
    assert flaw.endswith("missing.toml cannot be read: No such file or directory")


def test_a_class_may_check_what_its_fields_mean_together():
    class Range(Settings):
        low: int = 1
        high: int = 2

        def __post_init__(self):
            if self.low > self.high:
                raise ValueError("low is above high")

    with pytest.raises(SettingsError, match="Range: low is above high"):
        Range.load(environ={"RANGE_LOW": "3"})


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("5", int, 5),
        ("1.5", Decimal, Decimal("1.5")),
        ("true", bool, True),
        ("0", bool, False),
        ("2026-01-02", date, date(2026, 1, 2)),
        ("PT30S", timedelta, timedelta(seconds=30)),
        ("a, b", list[str], ["a", "b"]),
        ('["a,b"]', list[str], ["a,b"]),
        ("1,2", tuple[int, ...], (1, 2)),
        ("", list[str], []),
        ("", int | None, None),
        ("5", int | None, 5),
        ("5", str, "5"),
        ("", str, ""),
        ("red", Colour, Colour.RED),
        ("a", Literal["a", "b"], "a"),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("k", Secret | None, Secret("k")),
        ("a,b", list[Secret], [Secret("a"), Secret("b")]),
    ],
)
def test_texts_become_what_the_type_wants(text, type_, value):
    assert read_value(text, type_, is_text=True) == value


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("x", int),
        ("yes", bool),
        ("9" * 5000, int),
        ("{", dict[str, int]),
        ("[" * 3000, list[int]),
        ("blue", Colour),
        ("sk_live", Literal["a", "b"]),
        ("x", timedelta),
        ("0", Annotated[int, Meta(ge=1)]),
    ],
)
def test_a_text_of_another_type_is_refused_without_being_repeated(text, type_):
    with pytest.raises(WrongValue) as caught:
        read_value(text, type_, is_text=True)
    assert str(caught.value) and (len(text) < 3 or text not in str(caught.value))


@given(st.text(), st.sampled_from([int, bool, date, list[int], dict[str, int], Colour, Secret]))
def test_any_text_is_read_or_refused(text, type_):
    try:
        read_value(text, type_, is_text=True)
    except WrongValue:
        pass


def test_a_secret_is_not_shown():
    secret = Secret("sk_live_1")
    assert "sk_live" not in f"{secret} {secret!r} {secret!s} {[secret]} {load()}"
    assert secret == Secret("sk_live_1") != Secret("other") and secret != "sk_live_1"
    assert len({secret, Secret("sk_live_1")}) == 1 and not Secret("")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


APP = """
from hipflask import Flask
from hipflask.settings import Secret, Settings

class Shop(Settings):
    database_url: str
    key: Secret = Secret("")
    names: list[str] = []

app = Flask("shop")
app.config["SECRET_KEY"] = "very-secret"
app.config["MAX_CONTENT_LENGTH"] = 5
Shop.load(app)
"""


@pytest.fixture
def command(empty_folder, monkeypatch):
    (empty_folder / "shopapp.py").write_text(APP)
    monkeypatch.syspath_prepend(str(empty_folder))
    monkeypatch.setenv("SHOP_DATABASE_URL", "postgresql://me:pass@db/shop")

    def run(*args):
        import sys

        from hipflask.cli import cli

        sys.modules.pop("shopapp", None)
        return CliRunner().invoke(cli, ["settings", "--app", "shopapp", *args])

    return run


def test_the_command_shows_values_and_origins_and_no_secret(command):
    done = command()
    assert done.exit_code == 0, done.output
    assert "SHOP_DATABASE_URL   'postgresql://me:***@db/shop'  (environment" in done.output
    assert "SECRET_KEY          (hidden)  (app.config)" in done.output
    assert "MAX_CONTENT_LENGTH  5  (app.config)" in done.output
    assert "pass" not in done.output and "very-secret" not in done.output
    assert "TESTING" not in done.output and "TESTING" in command("--all").output
    rows = json.loads(command("--json").output)
    assert {"group": "Shop", "name": "SHOP_NAMES", "value": "[]", "origin": "default"} in rows


def test_the_command_shows_variables_that_hipflask_reads(command, empty_folder, monkeypatch):
    monkeypatch.setenv("HIPFLASK_DATABASE_URL", "postgresql://me:pass@db/shop")
    (empty_folder / ".env").write_text("FLASK_SECRET_KEY=of-this-test\nHIPFLASK_KEYS=keys.json\n")
    monkeypatch.setenv("FLASK_SECRET_KEY", "of-this-test")
    monkeypatch.setenv("HIPFLASK_KEYS", "others.json")
    rows = {row["name"]: row for row in json.loads(command("--json").output)}
    assert rows["HIPFLASK_DATABASE_URL"]["value"] == "'postgresql://me:***@db/shop'"
    assert rows["FLASK_SECRET_KEY"]["value"] == "(hidden)"
    assert rows["FLASK_SECRET_KEY"]["origin"] == f"{empty_folder}/.env, FLASK_SECRET_KEY"
    assert rows["HIPFLASK_KEYS"]["origin"] == "environment, HIPFLASK_KEYS"
    assert "of-this-test" not in command().output


def test_the_command_names_all_that_is_wrong_and_ends_with_78(command, monkeypatch):
    monkeypatch.delenv("SHOP_DATABASE_URL")
    monkeypatch.setenv("SHOP_NAMES", "[1]")
    done = command()
    assert done.exit_code == 78
    assert "hipflask: 2 settings of Shop are wrong:" in done.output
    assert "Traceback" not in done.output


def test_serve_refuses_to_start_with_78(command, empty_folder, monkeypatch):
    import subprocess
    import sys

    monkeypatch.delenv("SHOP_DATABASE_URL")
    done = subprocess.run(
        [sys.executable, "-m", "hipflask", "serve", "--app", "shopapp", "--bind", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 78, done.stderr
    assert "1 setting of Shop is wrong: SHOP_DATABASE_URL: missing" in done.stderr
    assert "Traceback" not in done.stderr
