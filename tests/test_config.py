"""Loading configuration, the attributes backed by it, and the two sets of defaults."""

import json
import os
import tomllib
from datetime import timedelta

import pytest

from hipflask.config import DEFAULTS, ROWS, Config, ConfigAttribute, default_config


@pytest.fixture
def config(tmp_path):
    return Config(tmp_path)


@pytest.fixture
def env(monkeypatch):
    """An environment that holds exactly what a test puts there."""
    names = {}
    monkeypatch.setattr("os.environ", names)
    return names


def test_starts_with_the_defaults_given_and_is_a_dict():
    config = Config("/srv", {"A": 1})
    assert isinstance(config, dict)
    assert config == {"A": 1}
    assert config.root_path == "/srv"
    assert repr(config) == "<Config {'A': 1}>"


def test_defaults_given_are_copied():
    given = {"A": 1}
    Config("/srv", given)["A"] = 2
    assert given == {"A": 1}


def test_from_pyfile_keeps_upper_case_names_only(config, tmp_path):
    (tmp_path / "settings.py").write_text("import os\nPORT = 80\nhelper = 1\nMixed = 2\n")
    assert config.from_pyfile("settings.py") is True
    assert config == {"PORT": 80}


def test_from_pyfile_runs_the_file_as_a_module_named_config(config, tmp_path):
    path = tmp_path / "settings.py"
    path.write_text("NAME = __name__\nFILE = __file__\n")
    config.from_pyfile(path)
    assert config == {"NAME": "config", "FILE": str(path)}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "iso-8859-15"])
def test_from_pyfile_honours_the_coding_comment(config, tmp_path, encoding):
    text = f'# coding: {encoding}\nWORD = "größe"\n'
    (tmp_path / "settings.py").write_text(text, encoding)
    config.from_pyfile("settings.py")
    assert config["WORD"] == "größe"


def test_from_pyfile_lets_errors_of_the_file_out(config, tmp_path):
    (tmp_path / "settings.py").write_text("A = 1\nB = 1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        config.from_pyfile("settings.py", silent=True)
    assert config == {}


def load_pyfile(config, filename, silent=False):
    return config.from_pyfile(filename, silent=silent)


def load_json(config, filename, silent=False):
    return config.from_file(filename, load=json.load, silent=silent)


@pytest.mark.parametrize("load", [load_pyfile, load_json])
def test_missing_file_is_explained_or_silent(config, tmp_path, load):
    with pytest.raises(FileNotFoundError) as caught:
        load(config, "missing.cfg")
    assert str(caught.value) == (
        "[Errno 2] Unable to load configuration file (No such file or directory):"
        f" {str(tmp_path / 'missing.cfg')!r}"
    )
    assert caught.value.filename == str(tmp_path / "missing.cfg")
    assert load(config, "missing.cfg", silent=True) is False


@pytest.mark.parametrize("load", [load_pyfile, load_json])
@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to open a directory otherwise")
def test_directory_is_an_error_or_silent(config, tmp_path, load):
    with pytest.raises(IsADirectoryError):
        load(config, tmp_path)
    assert load(config, tmp_path, silent=True) is False


@pytest.mark.skipif(os.name == "nt", reason="Windows reports such a path as missing")
def test_path_through_a_file_is_silent_for_pyfile_only(config, tmp_path):
    (tmp_path / "file").write_text("")
    assert config.from_pyfile("file/settings.py", silent=True) is False
    with pytest.raises(NotADirectoryError):
        load_json(config, "file/settings.json", silent=True)


def test_from_file_keeps_upper_case_keys(config, tmp_path):
    (tmp_path / "settings.json").write_text('{"PORT": 80, "other": 1}')
    assert load_json(config, "settings.json") is True
    assert config == {"PORT": 80}


def test_from_file_opens_for_bytes_if_asked(config, tmp_path):
    (tmp_path / "settings.toml").write_text('WORD = "tea"\n')
    assert config.from_file("settings.toml", load=tomllib.load, text=False) is True
    assert config == {"WORD": "tea"}


def test_from_envvar_loads_the_file_named(config, tmp_path, env):
    (tmp_path / "settings.py").write_text("PORT = 80\n")
    env["SHOP_SETTINGS"] = "settings.py"
    assert config.from_envvar("SHOP_SETTINGS") is True
    assert config == {"PORT": 80}


@pytest.mark.parametrize("value", [None, ""])
def test_from_envvar_without_value(config, env, value):
    if value is not None:
        env["SHOP_SETTINGS"] = value
    with pytest.raises(RuntimeError, match="'SHOP_SETTINGS' is not set"):
        config.from_envvar("SHOP_SETTINGS")
    assert config.from_envvar("SHOP_SETTINGS", silent=True) is False


def test_from_envvar_silent_about_a_missing_file(config, env):
    env["SHOP_SETTINGS"] = "missing.py"
    assert config.from_envvar("SHOP_SETTINGS", silent=True) is False
    with pytest.raises(FileNotFoundError):
        config.from_envvar("SHOP_SETTINGS")


class Base:
    PORT = 80


class Settings(Base):
    NAME = "shop"
    lower = 1

    @property
    def MADE(self):
        return "made"


def test_from_object_reads_classes_with_their_bases(config):
    config.from_object(Settings)
    assert config["PORT"] == 80
    assert config["NAME"] == "shop"
    assert "lower" not in config
    assert isinstance(config["MADE"], property)


def test_from_object_reads_properties_of_instances(config):
    config.from_object(Settings())
    assert config["MADE"] == "made"


def test_from_object_takes_an_import_name(config):
    config.from_object("hipflask.config")
    assert config == {"DEFAULTS": DEFAULTS, "ROWS": ROWS, "T": config["T"]}


def test_from_object_with_an_unknown_import_name(config):
    with pytest.raises(ImportError):
        config.from_object("no_such_module.Settings")


@pytest.mark.parametrize("mapping", [{"A": 1, "b": 2}, [("A", 1), ("b", 2)]])
def test_from_mapping_keeps_upper_case_keys(config, mapping):
    assert config.from_mapping(mapping, C=3, d=4) is True
    assert config == {"A": 1, "C": 3}


def test_from_mapping_of_nothing_and_of_too_much(config):
    assert config.from_mapping() is True
    with pytest.raises(TypeError):
        config.from_mapping({}, {})
    assert config == {}


def test_from_mapping_keyword_wins(config):
    config.from_mapping({"A": 1}, A=2)
    assert config == {"A": 2}


def test_from_prefixed_env_reads_json_and_keeps_other_text(config, env):
    env |= {
        "FLASK_TEXT": "tea",
        "FLASK_TRUE": "true",
        "FLASK_NUMBER": "1.5",
        "FLASK_LIST": "[1, 2]",
        "FLASK_BROKEN": "{x",
        "FLASK_lower": "1",
        "OTHER_KEY": "1",
    }
    assert config.from_prefixed_env() is True
    assert config == {
        "TEXT": "tea",
        "TRUE": True,
        "NUMBER": 1.5,
        "LIST": [1, 2],
        "BROKEN": "{x",
        "lower": 1,
    }


def test_from_prefixed_env_with_own_prefix_and_loads(config, env):
    env |= {"SHOP_EU_A": "1", "SHOP_B": "2"}
    config.from_prefixed_env("SHOP_EU", loads=lambda text: f"<{text}>")
    assert config == {"A": "<1>"}


def test_from_prefixed_env_lets_an_interrupt_through(config, env):
    env["FLASK_A"] = "1"

    def interrupted(text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config.from_prefixed_env(loads=interrupted)


def test_from_prefixed_env_steps_into_dictionaries(config, env):
    config["MAIL"] = {"host": "a", "tls": {"on": False}}
    env |= {
        "FLASK_MAIL__host": "b",
        "FLASK_MAIL__tls__on": "true",
        "FLASK_MAIL__retry__times": "3",
        "FLASK_NEW__K": "v",
    }
    config.from_prefixed_env()
    assert config["MAIL"] == {"host": "b", "tls": {"on": True}, "retry": {"times": 3}}
    assert config["NEW"] == {"K": "v"}


@pytest.mark.parametrize("held", [25, "text", None, [1]])
def test_from_prefixed_env_explains_a_step_into_a_scalar(config, env, held):
    config["MAIL"] = held
    env["FLASK_MAIL__PORT"] = "1"
    with pytest.raises(TypeError, match=r"'FLASK_MAIL__PORT' sets a key inside config\['MAIL'\]"):
        config.from_prefixed_env()


def test_get_namespace_trims_and_lowers(config):
    config |= {"MAIL_HOST": "h", "MAIL_PORT": 1, "OTHER": 2}
    assert config.get_namespace("MAIL_") == {"host": "h", "port": 1}
    assert config.get_namespace("MAIL_", lowercase=False) == {"HOST": "h", "PORT": 1}
    assert config.get_namespace("MAIL_", trim_namespace=False) == {
        "mail_host": "h",
        "mail_port": 1,
    }
    assert config.get_namespace("MAIL_", lowercase=False, trim_namespace=False) == {
        "MAIL_HOST": "h",
        "MAIL_PORT": 1,
    }


class Owner:
    plain = ConfigAttribute[bool]("TESTING")
    lifetime = ConfigAttribute[timedelta](
        "LIFETIME", get_converter=lambda value: timedelta(seconds=value)
    )

    def __init__(self):
        self.config = Config("/", {"TESTING": False, "LIFETIME": 60})


def test_config_attribute_reads_and_writes_the_configuration():
    owner = Owner()
    assert owner.plain is False
    owner.plain = True
    assert owner.config["TESTING"] is True


def test_config_attribute_converts_on_read():
    owner = Owner()
    assert owner.lifetime == timedelta(minutes=1)
    owner.config["LIFETIME"] = 5
    assert owner.lifetime == timedelta(seconds=5)


def test_config_attribute_on_the_class_is_the_descriptor():
    assert isinstance(Owner.plain, ConfigAttribute)
    assert Owner.plain.__name__ == "TESTING"


# Settings that Flask does not have.
OWN = {
    "MAX_PART_HEAD_BYTES",
    "MAX_JSON_DEPTH",
    "STATIC_DOTFILES",
    "LOGS",
    "LOG_REDACT",
    "LOG_SAMPLE_ABOVE",
    "REQUEST_ID_FROM",
    "REQUEST_ID_RESPONSE",
    "SLOW_REQUEST_S",
    "LOOP_BLOCKED_S",
    "MAX_BODY_CHUNKS",
    "REQUEST_BODY_TIMEOUT",
    "REQUEST_BODY_MIN_RATE",
    "RESPONSE_WRITE_TIMEOUT",
    "WEBSOCKET_MAX_MESSAGE_BYTES",
    "WEBSOCKET_IDLE_S",
    "WEBSOCKET_ORIGINS",
    "ORIGIN_GUARD",
    "ORIGIN_GUARD_EXEMPT",
    "TRUSTED_ORIGINS",
    "CONTENT_SECURITY_POLICY",
    "CONTENT_SECURITY_POLICY_REPORT_ONLY",
    "HSTS_SECONDS",
    "HSTS_SUBDOMAINS",
    "FRAME_OPTIONS",
    "REFERRER_POLICY",
    "OPENER_POLICY",
    "RESOURCE_POLICY",
    "PERMISSIONS_POLICY",
    "MAX_URL_BYTES",
    "MAX_HEAD_BYTES",
    "MAX_HEAD_FIELDS",
    "MAX_QUERY_PAIRS",
    "MAX_COOKIES",
    "MAX_COOKIE_BYTES",
    "MAX_RANGES",
    "MAX_ACCEPT_ITEMS",
    "MAX_INFLATED_BYTES",
    "MAX_INFLATE_RATIO",
    "RATE_LIMIT",
    "RATE_LIMIT_STORE",
    "RATE_LIMIT_ON_STORE_FAILURE",
    "TYPED_VIEWS",
    "OPENAPI",
}


def test_there_are_flasks_twenty_nine_defaults_and_our_own():
    assert len(DEFAULTS) == 29 + len(OWN)
    assert OWN < DEFAULTS.keys()


def test_flask_mode_is_flasks_table(env):
    env["HIPFLASK_DEFAULTS"] = "flask"
    assert default_config() == DEFAULTS


@pytest.mark.parametrize("value", [None, "", "secure"])
def test_secure_mode_changes_exactly_the_rows(env, value):
    if value is not None:
        env["HIPFLASK_DEFAULTS"] = value
    defaults = default_config()
    differing = {key: defaults[key] for key in DEFAULTS if defaults[key] != DEFAULTS[key]}
    assert differing == {row.key: row.secure for row in ROWS}
    assert defaults.keys() == DEFAULTS.keys()


def test_rows_name_flasks_value_and_a_reason():
    for row in ROWS:
        assert DEFAULTS[row.key] == row.flask != row.secure
        assert row.reason


def test_default_config_is_a_new_dictionary_each_time():
    default_config()["SECRET_KEY"] = "x"
    assert default_config()["SECRET_KEY"] is None


def test_unknown_set_of_defaults_is_refused(env):
    env["HIPFLASK_DEFAULTS"] = "lax"
    with pytest.raises(ValueError, match="HIPFLASK_DEFAULTS='lax'"):
        default_config()


def test_flask_mode_equals_the_installed_flask():
    flask = pytest.importorskip("flask", reason="compares with the real Flask")
    theirs = {key: value for key, value in DEFAULTS.items() if key not in OWN}
    assert dict(flask.Flask.default_config) == theirs
