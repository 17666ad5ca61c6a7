"""The command line: finding the app, environment files, groups, and each command."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import textwrap
import types
import typing as t
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hipflask import Flask, current_app
from hipflask import cli as cli_module
from hipflask.cli import (
    AppGroup,
    FlaskGroup,
    NoAppException,
    ScriptInfo,
    SeparatedPathType,
    cli,
    find_app_by_string,
    find_best_app,
    load_dotenv,
    locate_app,
    main,
    prepare_import,
    run_command,
    serve_command,
    show_server_banner,
    with_appcontext,
)
from hipflask.cli.serving import parse_bind

OUR_VARIABLES = (
    "FLASK_APP",
    "FLASK_DEBUG",
    "FLASK_ENV_FILE",
    "FLASK_RUN_FROM_CLI",
    "WERKZEUG_RUN_MAIN",
    "HIPFLASK_DEFAULTS",
)
FACTORY_SOURCE = """
from hipflask import Flask

def create_app(name="made", *, debug=False):
    app = Flask(name)
    app.config["GIVEN_DEBUG"] = debug
    return app

def needs_two(first, second):
    return Flask(first + second)

def fails():
    raise TypeError("from inside")

def empty():
    return None

number = 3
"""
APP_SOURCE = """
import click
from hipflask import Flask

app = Flask("shop")

@app.get("/items")
def items():
    return "items"

@app.cli.command()
def stock():
    click.echo(f"stock of {app.name}, debug {app.debug}")
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """Each test starts without our variables, and leaves the environment as it was."""
    before = dict(os.environ)
    for name in OUR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """An empty current directory; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "") or ""):
            del sys.modules[name]


@pytest.fixture
def run_cli() -> t.Callable[..., Result]:
    def invoke(*args: str, group: click.Command = cli, **kwargs: t.Any) -> Result:
        return CliRunner().invoke(group, list(args), prog_name="hipflask", **kwargs)

    return invoke


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """What `run` or `serve` hand to the server, which is not started."""
    calls: dict[str, t.Any] = {}
    server = types.ModuleType("hipflask.server")
    for name in ("run", "serve"):
        setattr(server, name, lambda info, **given: calls.update(given, info=info))
    monkeypatch.setitem(sys.modules, "hipflask.server", server)
    return calls


def make_module(**names: t.Any) -> types.ModuleType:
    module = types.ModuleType("site_module")
    vars(module).update(names)
    return module


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


class TestFindBestApp:
    def test_prefers_app_to_application_to_any_other_name(self) -> None:
        first, second, third = Flask("one"), Flask("two"), Flask("three")
        assert find_best_app(make_module(x=third, application=second, app=first)) is first
        assert find_best_app(make_module(x=third, application=second)) is second
        assert find_best_app(make_module(x=third)) is third

    def test_prefers_an_app_to_a_factory(self) -> None:
        app = Flask("one")
        assert find_best_app(make_module(x=app, create_app=lambda: Flask("two"))) is app

    def test_calls_create_app_then_make_app(self) -> None:
        module = make_module(make_app=lambda: Flask("m"), create_app=lambda: Flask("c"))
        assert find_best_app(module).name == "c"
        assert find_best_app(make_module(make_app=lambda: Flask("m"))).name == "m"

    def test_skips_a_factory_that_returns_no_app(self) -> None:
        module = make_module(create_app=lambda: None, make_app=lambda: Flask("m"))
        assert find_best_app(module).name == "m"

    def test_refuses_to_choose_between_several_apps(self) -> None:
        with pytest.raises(NoAppException) as error:
            find_best_app(make_module(a=Flask("a"), b=Flask("b")))
        assert str(error.value) == (
            "Module 'site_module' holds several apps (a, b), so it is not clear which one to"
            " use. Choose with 'site_module:a'."
        )

    def test_says_what_it_looked_for(self) -> None:
        with pytest.raises(NoAppException, match="no app .*create_app or make_app"):
            find_best_app(make_module(other=1))

    def test_explains_a_factory_that_needs_arguments(self) -> None:
        with pytest.raises(NoAppException, match="missing 1 required positional argument"):
            find_best_app(make_module(create_app=lambda config: Flask(config)))

    def test_passes_on_a_type_error_from_inside_the_factory(self) -> None:
        def create_app() -> Flask:
            raise TypeError("bad factory")

        with pytest.raises(TypeError, match="bad factory"):
            find_best_app(make_module(create_app=create_app))

    def test_accepts_a_factory_whose_decorator_supplies_the_argument(self) -> None:
        def create_app(config: str) -> Flask:
            return Flask(config)

        def decorated() -> Flask:
            return create_app("given")

        decorated.__wrapped__ = create_app  # type: ignore[attr-defined]  # as functools.wraps
        assert find_best_app(make_module(create_app=decorated)).name == "given"


class TestFindAppByString:
    @pytest.fixture
    def module(self) -> types.ModuleType:
        module = make_module(app=Flask("instance"))
        exec(FACTORY_SOURCE, vars(module))
        return module

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("app", "instance"),
            ("app()", "instance"),
            ("create_app", "made"),
            ("create_app()", "made"),
            ("  create_app ( 'x' , )", "x"),
            ("create_app('x', debug=True)", "x"),
            ("needs_two('a', second='b')", "ab"),
        ],
    )
    def test_finds(self, module: types.ModuleType, text: str, name: str) -> None:
        assert find_app_by_string(module, text).name == name

    def test_passes_keyword_arguments(self, module: types.ModuleType) -> None:
        assert find_app_by_string(module, "create_app(debug=True)").config["GIVEN_DEBUG"] is True

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nope", "has no attribute 'nope'"),
            ("create_app(", "neither a name nor a call"),
            ("app.config", "neither a name nor a call"),
            ("", "neither a name nor a call"),
            ("3", "neither a name nor a call"),
            ("a.b()", "neither a name nor a call"),
            ("create_app(x)", "must be literal values"),
            ("create_app(*[1])", "must be literal values"),
            ("create_app(**{'name': 'x'})", "must be literal values"),
            ("needs_two('a')", "missing 1 required positional argument: 'second'"),
            ("empty", "is a NoneType, not an app"),
            ("number", "is an int, not an app"),
        ],
    )
    def test_refuses(self, module: types.ModuleType, text: str, message: str) -> None:
        with pytest.raises(NoAppException) as error:
            find_app_by_string(module, text)
        assert message in str(error.value)

    def test_passes_on_a_type_error_from_inside_the_factory(self, module: types.ModuleType) -> None:
        with pytest.raises(TypeError, match="from inside"):
            find_app_by_string(module, "fails")


class TestPrepareImport:
    @pytest.mark.parametrize(
        ("given", "folder", "name"),
        [
            ("site", ".", "site"),
            ("site.py", ".", "site"),
            ("a/site.py", "a", "site"),
            ("a.b.site", ".", "a.b.site"),
            ("site/__init__.py", ".", "site"),
            ("pack/inner/site.py", ".", "pack.inner.site"),
            ("pack/inner", ".", "pack.inner"),
            ("pack/inner/__init__", ".", "pack.inner"),
            ("pack.inner", ".", "pack.inner"),
            ("notes.txt", ".", "notes.txt"),
        ],
    )
    def test_name_and_path(self, project: Path, given: str, folder: str, name: str) -> None:
        write(project / "pack/__init__.py", "")
        write(project / "pack/inner/__init__.py", "")
        assert prepare_import(given) == name
        assert sys.path[0] == str((project / folder).resolve())

    def test_does_not_repeat_the_folder(self, project: Path) -> None:
        prepare_import("one.py")
        length = len(sys.path)
        prepare_import("two.py")
        assert len(sys.path) == length


class TestLocateApp:
    def test_by_name_and_by_guess(self, project: Path) -> None:
        write(project / "loc_site.py", FACTORY_SOURCE)
        module = prepare_import("loc_site.py")
        assert locate_app(module, None).name == "made"
        assert locate_app(module, "create_app('x')").name == "x"

    @pytest.mark.parametrize("name", ["loc_gone", "loc_gone.py", "loc_gone.sub", "loc/gone"])
    def test_missing_module(self, project: Path, name: str) -> None:
        prepare_import("x")
        with pytest.raises(NoAppException, match=f"There is no module '{name}'"):
            locate_app(name, None)
        assert locate_app(name, None, raise_if_not_found=False) is None

    @pytest.mark.parametrize(
        "line", ["raise ImportError('inside')", "import loc_gone", "from os import loc_gone"]
    )
    def test_import_error_inside_shows_only_the_users_lines(self, project: Path, line: str) -> None:
        write(project / "loc_broken.py", f"{line}\n")
        for required in (True, False):
            with pytest.raises(NoAppException) as error:
                locate_app(prepare_import("loc_broken"), None, raise_if_not_found=required)
            text = str(error.value)
            assert "'loc_broken' exists but cannot be imported" in text
            assert "Traceback (most recent call last)" in text
            assert line in text
            assert "importlib" not in text

    def test_other_errors_pass_through(self, project: Path) -> None:
        write(project / "loc_zero.py", "1/0\n")
        with pytest.raises(ZeroDivisionError):
            locate_app(prepare_import("loc_zero"), None, raise_if_not_found=False)


class TestScriptInfo:
    def test_loads_once(self) -> None:
        info = ScriptInfo(create_app=lambda: Flask("made"))
        assert info.load_app() is info.load_app()

    def test_factory_wins_over_path(self) -> None:
        info = ScriptInfo("nowhere:app", create_app=lambda: Flask("made"))
        assert info.load_app().name == "made"

    def test_factory_returning_none_is_explained(self) -> None:
        info = ScriptInfo(create_app=lambda: None)  # type: ignore[arg-type,return-value]  # the mistake
        with pytest.raises(NoAppException, match="'return app'"):
            info.load_app()

    @pytest.mark.parametrize("suffix", ["", ":app", ":create_app('shop', debug=False)"])
    def test_path_with_and_without_name(self, project: Path, suffix: str) -> None:
        write(project / "src/si_site.py", APP_SOURCE + FACTORY_SOURCE)
        assert ScriptInfo(f"src/si_site.py{suffix}").load_app().name == "shop"

    def test_name_may_contain_a_colon(self, project: Path) -> None:
        write(project / "si_colon.py", FACTORY_SOURCE)
        assert ScriptInfo("si_colon:create_app('a:b')").load_app().name == "a:b"

    def test_drive_letter_is_part_of_the_path(self) -> None:
        from hipflask.cli.script import _split_import_path

        assert _split_import_path("C:\\site\\app.py:app") == ("C:\\site\\app.py", "app")
        assert _split_import_path("C:/site/app.py") == ("C:/site/app.py", None)
        assert _split_import_path("c:app") == ("c", "app")

    @pytest.mark.parametrize("file", ["wsgi.py", "app.py"])
    def test_default_files(self, project: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
        for name in ("app", "wsgi"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        write(project / file, APP_SOURCE)
        assert ScriptInfo().load_app().name == "shop"

    def test_no_app_anywhere(self, project: Path) -> None:
        with pytest.raises(NoAppException) as error:
            ScriptInfo().load_app()
        assert str(error.value) == (
            f"No app is named, and {project} has no wsgi.py or app.py. Name it with 'hipflask"
            " --app MODULE:NAME' or with the environment variable FLASK_APP."
        )

    @pytest.mark.parametrize(("flag", "expected"), [(True, True), (False, False)])
    def test_debug_flag(self, monkeypatch: pytest.MonkeyPatch, flag: bool, expected: bool) -> None:
        def create_app() -> Flask:
            app = Flask("made")
            app.debug = False
            return app

        monkeypatch.setenv("FLASK_DEBUG", "1")
        info = ScriptInfo(create_app=create_app, set_debug_flag=flag)
        assert info.load_app().debug is expected

    def test_skip_variable_overrules_the_argument(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
        assert ScriptInfo().load_dotenv_defaults is False

    def test_data_belongs_to_the_instance(self) -> None:
        ScriptInfo().data["x"] = 1
        assert ScriptInfo().data == {}


class TestContext:
    def test_with_appcontext_pushes_the_loaded_app(self, run_cli: t.Callable[..., Result]) -> None:
        @click.command()
        @with_appcontext
        def show() -> None:
            """Say it."""
            click.echo(current_app.name)

        assert show.help == "Say it."
        info = ScriptInfo(create_app=lambda: Flask("made"))
        assert run_cli(group=show, obj=info).output == "made\n"

    def test_with_appcontext_keeps_an_active_context(
        self, run_cli: t.Callable[..., Result]
    ) -> None:
        @click.command()
        @with_appcontext
        def show() -> None:
            click.echo(current_app.name)

        with Flask("active").app_context():
            assert run_cli(group=show, obj=ScriptInfo("nowhere")).output == "active\n"

    def test_context_is_popped_after_the_command(self, run_cli: t.Callable[..., Result]) -> None:
        app = Flask("made")
        popped: list[str] = []
        app.teardown_appcontext(lambda error: popped.append("popped"))

        @app.cli.command()
        def show() -> None:
            popped.append("running")

        run_cli("show", group=FlaskGroup(create_app=lambda: app))
        assert popped == ["running", "popped"]

    def test_help_leaves_no_context_behind(self, run_cli: t.Callable[..., Result]) -> None:
        app = Flask("made")
        app.cli.command("show")(lambda: None)
        for args in ([], ["--help"]):
            assert "show" in run_cli(*args, group=FlaskGroup(create_app=lambda: app)).output
            assert not current_app

    def test_app_group_nests(self, run_cli: t.Callable[..., Result]) -> None:
        group = AppGroup("outer")

        @group.group
        def bare() -> None: ...

        @group.group("named")
        def _named() -> None: ...

        assert isinstance(bare, AppGroup) and isinstance(_named, AppGroup)

        @bare.command
        def show() -> None:
            click.echo(current_app.name)

        info = ScriptInfo(create_app=lambda: Flask("made"))
        assert run_cli("bare", "show", group=group, obj=info).output == "made\n"

    def test_group_class_can_be_chosen(self) -> None:
        plain = AppGroup("outer").group("inner", cls=click.Group)(lambda: None)
        assert type(plain) is click.Group

    def test_command_without_context(self, run_cli: t.Callable[..., Result]) -> None:
        group = AppGroup("outer")

        @group.command(with_appcontext=False)
        def show() -> None:
            click.echo(bool(current_app))

        assert run_cli("show", group=group, obj=ScriptInfo("nowhere")).output == "False\n"

    def test_app_is_current_in_parameter_callbacks(self, run_cli: t.Callable[..., Result]) -> None:
        app = Flask("made")

        @app.cli.command()
        @click.argument("value", callback=lambda ctx, param, value: current_app.name + value)
        def show(value: str) -> None:
            click.echo(value)

        group = FlaskGroup(create_app=lambda: app)
        assert run_cli("show", "!", group=group).output == "made!\n"

    def test_app_cli_is_named_after_the_app(self) -> None:
        app = Flask("made")
        assert isinstance(app.cli, AppGroup)
        assert app.cli.name == "made"


class TestFlaskGroup:
    def test_default_commands(self) -> None:
        flasks = {"run", "shell", "routes"}
        ours = {"serve", "openapi", "settings", "forward", "hooks", "worker", "keys", "top", "db"}
        ours |= {"fit", "new", "check", "assess", "conventions", "promote", "tool"}
        assert set(FlaskGroup().commands) == flasks | ours
        assert FlaskGroup(add_default_commands=False).commands == {}

    def test_options(self) -> None:
        mine = click.Option(["--mine"])
        names = [param.name for param in FlaskGroup(params=[mine]).params]
        assert names == ["mine", "env_file", "app", "debug", "version"]
        assert "version" not in [p.name for p in FlaskGroup(add_version_option=False).params]

    def test_does_not_change_the_settings_it_is_given(self) -> None:
        settings = {"max_content_width": 70}
        group = FlaskGroup(context_settings=settings)
        assert settings == {"max_content_width": 70}
        assert group.context_settings == {"auto_envvar_prefix": "FLASK", "max_content_width": 70}

    def test_runs_the_apps_command(self, project: Path, run_cli: t.Callable[..., Result]) -> None:
        write(project / "fg_site.py", APP_SOURCE)
        expected = "stock of shop, debug False\n"
        assert run_cli("--app", "fg_site", "stock").output == expected
        assert run_cli("stock", env={"FLASK_APP": "fg_site:app"}).output == expected
        debug = "stock of shop, debug True\n"
        assert run_cli("--app", "fg_site", "--debug", "stock").output == debug
        assert run_cli("-A", "fg_site", "stock", env={"FLASK_DEBUG": "1"}).output == debug

    def test_help_names_the_apps_commands(
        self, project: Path, run_cli: t.Callable[..., Result]
    ) -> None:
        write(project / "fg_help.py", APP_SOURCE)
        for result in (
            run_cli("--app", "fg_help", "--help"),
            run_cli("--help", env={"FLASK_APP": "fg_help"}),
            run_cli(env={"FLASK_APP": "fg_help"}),
        ):
            assert "\n  stock" in result.output
            assert "\n  serve " in result.output

    def test_help_without_an_app(self, project: Path, run_cli: t.Callable[..., Result]) -> None:
        result = run_cli("--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: hipflask [OPTIONS] COMMAND")
        assert result.stderr.startswith("Error: No app is named")
        assert result.stderr.count("Error:") == 1

    def test_help_with_a_broken_app(self, project: Path, run_cli: t.Callable[..., Result]) -> None:
        write(project / "fg_broken.py", "print('once')\n1/0\n")
        result = run_cli("--app", "fg_broken", "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("once\nUsage:")
        assert result.stderr == (
            "Error: The app failed to load.\n"
            f'  File "{project / "fg_broken.py"}", line 2, in <module>\n'
            "ZeroDivisionError: division by zero\n\n"
        )

    def test_help_with_a_syntax_error(
        self, project: Path, run_cli: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HIPFLASK_DEFAULTS", "flask")
        write(project / "fg_syntax.py", "x = (\n")
        result = run_cli("--app", "fg_syntax", "--help")
        assert result.exit_code == 0
        assert result.stderr.count("Error: The app failed to load.") == 1
        assert f'File "{project / "fg_syntax.py"}", line 1' in result.stderr
        assert "SyntaxError" in result.stderr

    def test_a_script_info_that_is_given_is_used(self, run_cli: t.Callable[..., Result]) -> None:
        app = Flask("given")
        app.cli.command("show")(lambda: click.echo(current_app.name))
        info = ScriptInfo(create_app=lambda: app)
        assert run_cli("show", group=FlaskGroup(), obj=info).output == "given\n"

    @pytest.mark.parametrize("command", ["run", "serve", "shell", "routes"])
    def test_no_app_is_one_message_and_exit_code_2(
        self, project: Path, run_cli: t.Callable[..., Result], command: str
    ) -> None:
        result = run_cli(command)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.count("Error: No app is named") == 1
        assert "Traceback" not in result.stderr

    def test_unknown_command_without_an_app(
        self, project: Path, run_cli: t.Callable[..., Result]
    ) -> None:
        result = run_cli("missing")
        assert result.exit_code == 2
        assert "FLASK_APP" in result.stderr
        assert "No such command 'missing'" in result.stderr

    def test_an_apps_error_keeps_its_traceback_when_its_command_is_wanted(
        self, project: Path, run_cli: t.Callable[..., Result]
    ) -> None:
        write(project / "fg_zero.py", "1/0\n")
        assert isinstance(run_cli("--app", "fg_zero", "stock").exception, ZeroDivisionError)

    def test_message_names_the_program_that_was_started(self, project: Path) -> None:
        result = CliRunner().invoke(cli, ["routes"], prog_name="flask")
        assert "'flask --app MODULE:NAME'" in result.output

    def test_the_apps_own_serve_command_goes_first_as_flask(
        self,
        run_cli: t.Callable[..., Result],
        served: dict[str, t.Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        app = Flask("made")

        @app.cli.command("serve")
        def own() -> None:
            click.echo(f"own serve of {current_app.name}")

        group = FlaskGroup(create_app=lambda: app)
        monkeypatch.setenv("HIPFLASK_DEFAULTS", "flask")
        assert run_cli("serve", group=group).output == "own serve of made\n"
        assert not served
        assert run_cli("serve", group=FlaskGroup(create_app=lambda: Flask("x"))).exit_code == 0
        assert served.pop("bind")
        monkeypatch.setenv("HIPFLASK_DEFAULTS", "secure")
        assert run_cli("serve", group=group).output == ""
        assert served

    def test_built_in_commands_of_flask_go_before_the_apps(
        self, run_cli: t.Callable[..., Result]
    ) -> None:
        app = Flask("made", static_folder=None)
        app.cli.command("routes")(lambda: click.echo("own"))
        group = FlaskGroup(create_app=lambda: app)
        assert run_cli("routes", group=group).output == "No routes were registered.\n"

    def test_nested_in_another_group(self, run_cli: t.Callable[..., Result]) -> None:
        outer = click.Group("outer")
        inner = FlaskGroup(name="inner", create_app=lambda: Flask("made"))
        inner.command("show")(lambda: click.echo(current_app.name))
        outer.add_command(inner)
        assert run_cli("inner", "show", group=outer).output == "made\n"

    def test_keeps_a_context_of_the_same_app(self, run_cli: t.Callable[..., Result]) -> None:
        app = Flask("made")
        ended: list[str] = []
        app.teardown_appcontext(lambda error: ended.append("ended"))
        app.cli.command("show")(lambda: click.echo(current_app.name))
        group = FlaskGroup(create_app=lambda: app)
        with app.app_context():
            assert run_cli("show", group=group).output == "made\n"
            assert ended == []

    def test_runs_in_its_own_app_inside_the_context_of_another(
        self, run_cli: t.Callable[..., Result]
    ) -> None:
        app = Flask("made")
        app.cli.command("show")(lambda: click.echo(current_app.name))
        with Flask("other").app_context():
            assert run_cli("show", group=FlaskGroup(create_app=lambda: app)).output == "made\n"

    def test_completion_is_not_disturbed_by_a_missing_app(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        from click.shell_completion import ShellComplete

        found = ShellComplete(cli, {}, "hipflask", "_HIPFLASK_COMPLETE").get_completions([], "r")
        assert [item.value for item in found] == ["routes", "run"]
        complete = ShellComplete(cli, {}, "hipflask", "_HIPFLASK_COMPLETE")
        assert complete.get_completions(["nope"], "r") != []
        assert capfd.readouterr().err == ""

    def test_marks_the_process_as_run_from_the_command_line(
        self, run_cli: t.Callable[..., Result]
    ) -> None:
        run_cli("--version")
        assert os.environ["FLASK_RUN_FROM_CLI"] == "true"


class TestPlugins:
    @pytest.fixture
    def install(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., None]:
        def make(group: str, entries: str, requires: str = "click") -> None:
            folder = project / "clipluginpkg-1.0.dist-info"
            head = "Metadata-Version: 2.1\nName: clipluginpkg\nVersion: 1.0\n"
            write(folder / "METADATA", f"{head}Requires-Dist: {requires}\n")
            write(folder / "entry_points.txt", f"[{group}]\n{entries}\n")
            write(
                project / "clipluginpkg.py",
                """
                import click

                @click.command()
                def hi():
                    click.echo("hi")
                """,
            )
            monkeypatch.syspath_prepend(str(project))

        return make

    @pytest.mark.parametrize("group", ["flask.commands", "hipflask.commands"])
    def test_both_entry_point_groups(
        self, install: t.Callable[..., None], run_cli: t.Callable[..., Result], group: str
    ) -> None:
        install(group, "greet = clipluginpkg:hi")
        program = FlaskGroup(create_app=lambda: Flask("made"))
        assert run_cli("greet", group=program).output == "hi\n"
        assert "\n  greet" in run_cli("--help", group=program).output

    def test_replaces_a_built_in_command(
        self, install: t.Callable[..., None], run_cli: t.Callable[..., Result]
    ) -> None:
        install("flask.commands", "shell = clipluginpkg:hi")
        assert run_cli("shell", group=FlaskGroup()).output == "hi\n"

    @pytest.mark.parametrize("requires", ["Flask", "flask>=2", "Flask-Login (>=1)"])
    def test_one_for_flask_is_left_to_as_flask(
        self,
        install: t.Callable[..., None],
        run_cli: t.Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
        requires: str,
    ) -> None:
        install("flask.commands", "greet = clipluginpkg:hi", requires)
        program = FlaskGroup(create_app=lambda: Flask("made"))
        assert "greet" not in run_cli("--help", group=program).output
        result = run_cli("greet", group=program)
        assert result.exit_code == 2
        assert "'hipflask as-flask flask greet'" in result.stderr
        assert "clipluginpkg" not in sys.modules

        finder = types.SimpleNamespace(answers_for_flask=True, find_spec=lambda *args: None)
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
        assert run_cli("greet", group=program).output == "hi\n"

    def test_one_that_requires_a_package_of_a_similar_name_is_used(
        self, install: t.Callable[..., None], run_cli: t.Callable[..., Result]
    ) -> None:
        install("flask.commands", "greet = clipluginpkg:hi", "flasks")
        assert run_cli("greet", group=FlaskGroup()).output == "hi\n"

    def test_a_broken_one_is_reported_and_left_out(
        self, install: t.Callable[..., None], run_cli: t.Callable[..., Result]
    ) -> None:
        install("flask.commands", "greet = clipluginpkg:gone")
        result = run_cli("--help", group=FlaskGroup(create_app=lambda: Flask("made")))
        assert result.exit_code == 0
        assert result.stderr.startswith(
            "Warning: the command 'greet' of clipluginpkg:gone cannot be used:"
        )


class TestDotenv:
    @pytest.fixture
    def files(self, project: Path) -> Path:
        pytest.importorskip("dotenv")
        write(project / ".flaskenv", "CLI_A=flaskenv\nCLI_B=flaskenv\nCLI_C=flaskenv\nCLI_D=1\n")
        write(project / ".env", "CLI_A=env\nCLI_B=env\nCLI_C=火腿\nCLI_EMPTY\n")
        write(project / "own.env", "CLI_A=own\nCLI_B=own\n")
        write(project / "sub/keep", "")
        return project

    def values(self) -> list[str | None]:
        return [os.environ.get(f"CLI_{letter}") for letter in "ABCD"]

    def test_precedence(self, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLI_A", "real")
        assert load_dotenv("own.env") is True
        assert self.values() == ["real", "own", "火腿", "1"]
        assert "CLI_EMPTY" not in os.environ

    def test_without_defaults(self, files: Path) -> None:
        assert load_dotenv(files / "own.env", load_defaults=False)
        assert self.values() == ["own", "own", None, None]

    def test_looks_in_the_folders_above(self, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(files / "sub")
        assert load_dotenv()
        assert Path.cwd() == files / "sub"
        assert self.values()[0] == "env"

    def test_nothing_found(self, files: Path) -> None:
        assert load_dotenv("gone.env", load_defaults=False) is False

    def test_without_the_package_there_is_a_tip(
        self, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "dotenv", None)
        assert load_dotenv() is False
        assert self.values() == [None] * 4
        assert "pip install python-dotenv" in capsys.readouterr().err
        monkeypatch.chdir(files / "sub")
        assert load_dotenv() is False
        assert capsys.readouterr().err == ""

    def test_env_file_option(self, files: Path, run_cli: t.Callable[..., Result]) -> None:
        write(files / "de_site.py", APP_SOURCE)
        write(files / "app.env", "FLASK_APP=de_site\n")
        assert run_cli("-e", "app.env", "stock").output.startswith("stock of shop")
        result = run_cli(env={"FLASK_ENV_FILE": "app.env"})
        assert "\n  stock" in result.output

    def test_env_file_must_exist(self, files: Path, run_cli: t.Callable[..., Result]) -> None:
        result = run_cli("-e", "gone.env", "routes")
        assert result.exit_code == 2
        assert "'gone.env' does not exist" in result.stderr

    def test_env_file_option_without_the_package(
        self, files: Path, run_cli: t.Callable[..., Result], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "dotenv", None)
        result = run_cli("-e", "own.env", "routes")
        assert result.exit_code == 2
        assert "pip install python-dotenv" in result.stderr

    def test_skip_variable(self, files: Path, run_cli: t.Callable[..., Result]) -> None:
        run_cli("--help", env={"FLASK_SKIP_DOTENV": "1"})
        assert "CLI_D" not in os.environ
        run_cli("--help", group=FlaskGroup(load_dotenv=False))
        assert "CLI_D" not in os.environ


class TestRun:
    @pytest.fixture
    def group(self) -> FlaskGroup:
        return FlaskGroup(create_app=lambda: Flask("made"))

    def test_defaults(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        assert run_cli("run", group=group).output == " * Debug mode: off\n"
        assert served.pop("info").load_app().name == "made"
        assert served == {
            "host": "127.0.0.1",
            "port": 5000,
            "reload": False,
            "debugger": False,
            "threads": True,
            "ssl_context": None,
            "extra_files": None,
            "exclude_patterns": None,
            "interface": "rsgi",
        }

    @pytest.mark.parametrize("args", [["--debug", "run"], ["run", "--debug"]])
    def test_debug_switches_reloader_and_debugger_on(
        self,
        group: FlaskGroup,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        args: list[str],
    ) -> None:
        run_cli(*args, group=group)
        assert (served["reload"], served["debugger"]) == (True, True)
        assert served["info"].load_app().debug is True

    def test_switches_overrule_debug(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        run_cli("--debug", "run", "--no-reload", "--no-debugger", group=group)
        assert (served["reload"], served["debugger"]) == (False, False)

    def test_all_options(
        self,
        group: FlaskGroup,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
    ) -> None:
        paths = os.pathsep.join(["one.txt", "two"])
        run_cli(
            *["run", "-h", "::1", "-p", "80", "--without-threads"],
            *["--extra-files", paths, "--exclude-patterns", "*.log"],
            *["--cert", __file__, "--key", __file__],
            group=group,
        )
        assert (served["host"], served["port"], served["threads"]) == ("::1", 80, False)
        assert served["extra_files"] == ["one.txt", "two"]
        assert served["exclude_patterns"] == ["*.log"]
        assert served["ssl_context"] == (__file__, __file__)

    def test_environment_variables(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        run_cli("run", group=group, env={"FLASK_RUN_PORT": "8123", "FLASK_RUN_HOST": "::1"})
        assert (served["host"], served["port"]) == ("::1", 8123)

    def test_banner_can_be_replaced(
        self,
        group: FlaskGroup,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("hipflask.cli.show_server_banner", lambda *args: None)
        assert run_cli("run", group=group).output == ""
        assert served

    def test_reloading_parent_does_not_import_the_app(
        self,
        project: Path,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write(project / "rl_pack/__init__.py", "")
        write(project / "rl_pack/site.py", "raise SystemExit('imported')\n")
        write(project / "rl_bad/__init__.py", "1/0\n")
        for path in ("rl_pack.site:app", "rl_pack/site.py", "rl_bad.site"):
            assert run_cli("--app", path, "run", "--reload").exit_code == 0
            assert served.pop("info").app_import_path == path
        for path in ("rl_gone", "rl_pack.gone", "rl_gone.site:app"):
            result = run_cli("--app", path, "run", "--reload")
            assert (result.exit_code, served.get("info")) == (2, None)
            assert "There is no module" in result.stderr
        monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
        assert run_cli("--app", "rl_gone", "run", "--reload").exit_code == 0

    def test_reloading_parent_misses_the_default_files(
        self, project: Path, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        result = run_cli("run", "--reload")
        assert (result.exit_code, served) == (2, {})
        assert "No app is named" in result.stderr

    def test_banner(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        show_server_banner(True, "site:app")
        assert capsys.readouterr().out == " * Serving app 'site:app'\n * Debug mode: on\n"
        show_server_banner(False, None)
        assert capsys.readouterr().out == " * Debug mode: off\n"
        monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
        show_server_banner(True, "site:app")
        assert capsys.readouterr().out == ""


class TestCertificates:
    def make(self, *args: str) -> t.Any:
        return run_command.make_context("run", list(args)).params["cert"]

    def test_pair_in_either_order(self) -> None:
        pair = (__file__, __file__)
        assert self.make("--cert", __file__, "--key", __file__) == pair
        assert self.make("--key", __file__, "--cert", __file__) == pair

    def test_adhoc_needs_cryptography(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cryptography", types.ModuleType("cryptography"))
        assert self.make("--cert", "ADHOC") == "adhoc"
        monkeypatch.setitem(sys.modules, "cryptography", None)
        with pytest.raises(click.BadParameter, match="pip install cryptography"):
            self.make("--cert", "adhoc")

    def test_imported_context(self, monkeypatch: pytest.MonkeyPatch) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        module = types.ModuleType("cli_tls")
        module.context = context  # type: ignore[attr-defined]  # a module of our own
        monkeypatch.setitem(sys.modules, "cli_tls", module)
        assert self.make("--cert", "cli_tls.context") is context
        with pytest.raises(click.BadParameter, match="has its own key"):
            self.make("--cert", "cli_tls.context", "--key", __file__)
        with pytest.raises(click.BadParameter, match="does not exist"):
            self.make("--cert", "cli_tls.gone")

    def test_half_a_pair_is_refused(self) -> None:
        with pytest.raises(click.BadParameter, match="needs its key file"):
            self.make("--cert", __file__)
        with pytest.raises(click.BadParameter, match="needs '--cert'"):
            self.make("--key", __file__)

    def test_python_without_ssl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ssl", None)
        with pytest.raises(click.BadParameter, match="built without 'ssl'"):
            self.make("--cert", __file__)

    def test_separated_paths_keep_a_list(self) -> None:
        assert SeparatedPathType()(["a", "b"]) == ["a", "b"]


class TestServe:
    @pytest.fixture
    def group(self) -> FlaskGroup:
        return FlaskGroup(create_app=lambda: Flask("made"))

    def test_defaults(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        assert run_cli("serve", group=group).output == ""
        assert served.pop("info").load_app().name == "made"
        assert served == {
            "bind": ("127.0.0.1:8000",),
            "workers": 1,
            "threads": 32,
            "queue": None,
            "max_requests_in_work": 1000,
            "request_timeout_s": 0.0,
            "interface": "rsgi",
            "http": "auto",
            "certfile": None,
            "keyfile": None,
            "drain_wait_s": 5.0,
            "graceful_timeout_s": 25.0,
            "max_requests": 0,
            "max_lifetime_s": 0.0,
            "livez": "/livez",
            "readyz": "/readyz",
            "access_log": True,
            "metrics": "",
            "metrics_token": "",
            "ops_bind": None,
            "run_dir": None,
            "check": False,
        }

    def test_all_options(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        run_cli(
            *["serve", "-b", "0.0.0.0:80", "-b", "unix:/run/a.sock", "-w", "4", "--threads", "2"],
            *["--certfile", __file__, "--keyfile", __file__],
            *["--graceful-timeout", "2.5", "--access-log", "--queue", "0", "--http", "2"],
            *["--max-requests-in-work", "9", "--request-timeout", "1.5", "--interface", "asgi"],
            *["--drain-wait", "0", "--max-requests", "7", "--max-lifetime", "60"],
            *["--livez", "off", "--readyz", "/r", "--check", "--metrics", "/m"],
            *["--metrics-token", "open sesame", "--ops-bind", "127.0.0.1:9090"],
            *["--run-dir", "/run/shop"],
            group=group,
        )
        served.pop("info")
        assert served == {
            "bind": ("0.0.0.0:80", "unix:/run/a.sock"),
            "workers": 4,
            "threads": 2,
            "queue": 0,
            "max_requests_in_work": 9,
            "request_timeout_s": 1.5,
            "interface": "asgi",
            "http": "2",
            "certfile": __file__,
            "keyfile": __file__,
            "drain_wait_s": 0.0,
            "graceful_timeout_s": 2.5,
            "max_requests": 7,
            "max_lifetime_s": 60.0,
            "livez": "",
            "readyz": "/r",
            "access_log": True,
            "metrics": "/m",
            "metrics_token": "open sesame",
            "ops_bind": "127.0.0.1:9090",
            "run_dir": "/run/shop",
            "check": True,
        }

    def test_environment_variables(
        self, group: FlaskGroup, served: dict[str, t.Any], run_cli: t.Callable[..., Result]
    ) -> None:
        variables = {"FLASK_SERVE_BIND": "[::1]:1 unix:/a", "FLASK_SERVE_WORKERS": "3"}
        run_cli("serve", group=group, env=variables)
        assert (served["bind"], served["workers"]) == (("[::1]:1", "unix:/a"), 3)

    def test_typed_goes_before_environment_before_file_before_default(
        self,
        group: FlaskGroup,
        project: Path,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
    ) -> None:
        write(
            project / "pyproject.toml",
            """
            [tool.hipflask.serve]
            bind = ["127.0.0.1:1", "unix:/a"]
            workers = 2
            threads = 3
            queue = 4
            drain_wait = 0.5
            access-log = true
            http = 1
            """,
        )
        variables = {"HIPFLASK_SERVE_WORKERS": "5", "HIPFLASK_SERVE_THREADS": "6"}
        run_cli("serve", "--threads", "7", group=group, env=variables)
        found = [served[name] for name in ("threads", "workers", "queue", "max_requests")]
        assert found == [7, 5, 4, 0]
        assert served["bind"] == ("127.0.0.1:1", "unix:/a")
        assert (served["drain_wait_s"], served["access_log"], served["http"]) == (0.5, True, "1")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("worker = 2", "there is no setting 'worker'; did you mean 'workers'?"),
            ("workers = 0", "'--workers'"),
            ('livez = "x"', "'x' is neither a path such as '/livez' nor 'off'"),
            ("workers = ", "cannot read"),
        ],
    )
    def test_what_is_wrong_in_the_file_is_one_line_with_its_name(
        self,
        group: FlaskGroup,
        project: Path,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        line: str,
        message: str,
    ) -> None:
        write(project / "pyproject.toml", f"[tool.hipflask.serve]\n{line}\n")
        result = run_cli("serve", group=group)
        assert result.exit_code == 2
        assert result.stderr.startswith("hipflask: ")
        assert message in result.stderr
        assert "pyproject.toml" in result.stderr
        assert result.stderr.count("\n") == 1
        assert not served

    @pytest.mark.parametrize(("args", "is_named"), [([], True), (["--threads", "0"], False)])
    def test_what_is_wrong_in_a_variable_is_one_line_with_its_name(
        self,
        group: FlaskGroup,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        args: list[str],
        is_named: bool,
    ) -> None:
        result = run_cli("serve", *args, group=group, env={"HIPFLASK_SERVE_THREADS": "many"})
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("hipflask: HIPFLASK_SERVE_THREADS: ") == is_named
        assert not served

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--livez", "x"], "neither a path"),
            (["--interface", "fcgi"], "--interface"),
            (["--certfile", __file__], "without --keyfile"),
            (["--keyfile", __file__], "without --certfile"),
            (["-b", "8000"], "neither HOST:PORT nor unix:PATH"),
            (["-w", "0"], "--workers"),
            (["--threads", "0"], "--threads"),
            (["--graceful-timeout", "-1"], "--graceful-timeout"),
        ],
    )
    def test_refuses(
        self,
        group: FlaskGroup,
        served: dict[str, t.Any],
        run_cli: t.Callable[..., Result],
        args: list[str],
        message: str,
    ) -> None:
        result = run_cli("serve", *args, group=group)
        assert result.exit_code == 2
        assert message in result.stderr
        assert not served

    @pytest.mark.parametrize("text", ["a:0", "a.b:65535", "[::1]:8000", "unix:/tmp/x", "unix:x"])
    def test_parse_bind_accepts(self, text: str) -> None:
        assert parse_bind(text) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "neither"),
            ("host", "neither"),
            (":80", "neither"),
            ("unix:", "lacks the path"),
            ("::1:80", "without brackets"),
            ("a:", "no port"),
            ("a:x", "no port"),
            ("a:-1", "no port"),
            ("a:65536", "no port"),
            ("a:٣", "no port"),
        ],
    )
    def test_parse_bind_refuses(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            parse_bind(text)

    def test_help_names_every_option(self) -> None:
        options = {name for param in serve_command.params for name in param.opts}
        assert {"--bind", "-b", "--workers", "-w", "--threads", "--certfile", "--keyfile"} < options
        assert all(getattr(param, "help", None) for param in serve_command.params)


class TestRoutes:
    @pytest.fixture
    def app(self) -> Flask:
        app = Flask("made")
        app.add_url_rule("/b/<int:x>", methods=["GET", "POST"], endpoint="write")
        app.add_url_rule("/z", methods=["POST"], endpoint="add")
        return app

    def table(self, app: Flask, *args: str) -> list[str]:
        result = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["routes", *args])
        assert result.exit_code == 0
        return result.output.splitlines()

    def test_table(self, app: Flask) -> None:
        assert self.table(app) == [
            "Endpoint  Methods    Rule",
            "--------  ---------  -----------------------",
            "add       POST       /z",
            "static    GET        /static/<path:filename>",
            "write     GET, POST  /b/<int:x>",
        ]

    @pytest.mark.parametrize(
        ("key", "order"),
        [
            ("endpoint", ["add", "static", "write"]),
            ("methods", ["static", "write", "add"]),
            ("rule", ["write", "static", "add"]),
            ("domain", ["static", "write", "add"]),
        ],
    )
    def test_sort(self, app: Flask, key: str, order: list[str]) -> None:
        lines = self.table(app, "--sort", key)[2:]
        if key == "domain":  # all equal: the order of matching stays
            order = [rule.endpoint for rule in app.url_map.iter_rules()]
        assert [line.split()[0] for line in lines] == order

    def test_sort_by_match_is_the_maps_order(self, app: Flask) -> None:
        order = [rule.endpoint for rule in app.url_map.iter_rules()]
        assert [line.split()[0] for line in self.table(app, "-s", "match")[2:]] == order

    def test_all_methods(self, app: Flask) -> None:
        assert any("GET, HEAD, OPTIONS, POST" in line for line in self.table(app, "--all-methods"))

    def test_no_routes(self) -> None:
        assert self.table(Flask("made", static_folder=None)) == ["No routes were registered."]

    def test_subdomain_column(self) -> None:
        app = Flask("made", static_folder=None, subdomain_matching=True)
        app.add_url_rule("/a", subdomain="shop", endpoint="a")
        app.add_url_rule("/b", endpoint="b")
        lines = self.table(app)
        assert lines[0] == "Endpoint  Methods  Subdomain  Rule"
        assert lines[2] == "a         GET      shop       /a"

    def test_host_column(self) -> None:
        app = Flask("made", static_folder=None, host_matching=True)
        app.add_url_rule("/a", host="a.example", endpoint="a")
        assert self.table(app)[0] == "Endpoint  Methods  Host       Rule"


class TestShell:
    @pytest.fixture
    def shell(self, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., str]:
        monkeypatch.delattr(sys, "__interactivehook__", raising=False)
        monkeypatch.delenv("PYTHONSTARTUP", raising=False)

        def run(lines: str, app: Flask | None = None) -> str:
            group = FlaskGroup(create_app=lambda: app or Flask("made"))
            result = CliRunner().invoke(group, ["shell"], input=lines)
            assert result.exit_code == 0, result.output
            return result.output

        return run

    def test_app_and_g_are_at_hand(self, shell: t.Callable[..., str]) -> None:
        output = shell("print('at hand:', app.name, g is not None)\n")
        assert "at hand: made True" in output
        assert "App: made\nInstance: " in output

    def test_context_processors_add_names(self, shell: t.Callable[..., str]) -> None:
        app = Flask("made")
        app.shell_context_processor(lambda: {"answer": 42})
        assert "got 42" in shell("print('got', answer)\n", app)

    def test_startup_file_runs_before_and_loses_to_the_app(
        self, shell: t.Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        startup = write(tmp_path / "start.py", "mine = 'startup'\napp = 'hidden'\n")
        monkeypatch.setenv("PYTHONSTARTUP", str(startup))
        assert "startup made" in shell("print(mine, app.name)\n")

    def test_without_readline_the_hook_still_runs(
        self, shell: t.Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        monkeypatch.setattr(sys, "__interactivehook__", lambda: calls.append("hook"), raising=False)
        monkeypatch.setitem(sys.modules, "readline", None)
        shell("")
        assert calls == ["hook"]

    def test_completion_knows_the_names(
        self, shell: t.Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        readline = pytest.importorskip("readline")
        calls: list[str] = []
        monkeypatch.setattr(sys, "__interactivehook__", lambda: calls.append("hook"), raising=False)
        before = readline.get_completer()
        try:
            app = Flask("made")
            app.shell_context_processor(lambda: {"peculiar_name": 1})
            shell("", app)
            assert readline.get_completer()("peculiar_na", 0) == "peculiar_name"
            assert calls == ["hook"]
        finally:
            readline.set_completer(before)


class TestVersion:
    def test_names_every_part(self, run_cli: t.Callable[..., Result]) -> None:
        lines = run_cli("--version").output.splitlines()
        assert [line.split()[0] for line in lines] == ["Python", "hipflask", "Werkzeug", "Granian"]
        assert "Flask 3.1.3" in lines[1]

    def test_a_part_that_is_not_installed(self) -> None:
        from hipflask.cli.options import _installed

        assert _installed("hipflask-of-nowhere") == "(not installed as a package)"

    def test_needs_no_app(self, project: Path, run_cli: t.Callable[..., Result]) -> None:
        assert run_cli("--app", "gone", "--version").exit_code == 0


class TestAsFlask:
    @pytest.fixture
    def received(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        calls: list[list[str]] = []
        module = types.ModuleType("hipflask.as_flask")

        def record(argv: list[str]) -> int:
            assert "FLASK_RUN_FROM_CLI" not in os.environ
            calls.append(argv)
            return 7

        module.main = record  # type: ignore[attr-defined]  # a module of our own
        monkeypatch.setitem(sys.modules, "hipflask.as_flask", module)
        return calls

    def test_passes_the_command_on_untouched(
        self, project: Path, received: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(project / ".env", "CLI_LEAK=1\n")
        argv = ["pytest", "-q", "--help", "--", "-x", "--app", "gone"]
        monkeypatch.setattr(sys, "argv", ["/usr/bin/hipflask", "as-flask", *argv])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 7
        assert received == [argv]
        assert "CLI_LEAK" not in os.environ

    def test_through_the_group_as_well(
        self, project: Path, received: list[list[str]], run_cli: t.Callable[..., Result]
    ) -> None:
        assert run_cli("as-flask", "python", "-c", "pass").exit_code == 7
        assert received == [["python", "-c", "pass"]]

    def test_without_a_command(
        self,
        received: list[list[str]],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["hipflask", "as-flask"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        assert "Usage: hipflask as-flask" in capsys.readouterr().err
        assert received == []


class TestProgram:
    @pytest.mark.parametrize(
        ("started_as", "given", "shown"),
        [
            ("/usr/bin/hipflask", None, "hipflask"),
            ("/usr/bin/flask", None, "flask"),
            ("C/flask.exe", None, "flask"),
            ("/usr/bin/hipflask", "flask", "flask"),
        ],
    )
    def test_name_shown(
        self,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        started_as: str,
        given: str | None,
        shown: str,
    ) -> None:
        monkeypatch.setattr(sys, "argv", [started_as, "run", "--help"])
        with pytest.raises(SystemExit) as end:
            main(given)
        assert end.value.code == 0
        assert capsys.readouterr().out.startswith(f"Usage: {shown} run ")

    def test_name_shown_when_standing_in_for_flasks_module(
        self,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        stand_in = types.ModuleType("__main__")
        stand_in.__package__ = "flask"
        monkeypatch.setitem(sys.modules, "__main__", stand_in)
        monkeypatch.setattr(sys, "argv", ["/site-packages/hipflask/__main__.py", "run", "--help"])
        with pytest.raises(SystemExit):
            main()
        assert capsys.readouterr().out.startswith("Usage: flask run ")

    def test_module_can_be_run(self, project: Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "hipflask", "routes"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("Usage: python -m hipflask routes")
        assert "Traceback" not in done.stderr

    def test_importing_the_package_does_not_import_click(self) -> None:
        check = "import hipflask, sys; sys.exit('click' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

    def test_importing_the_command_line_starts_no_server_module(self) -> None:
        check = (
            "import hipflask.cli, sys;"
            " sys.exit(bool({'granian', 'hipflask.server', 'dotenv'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

    def test_accidental_names_of_flasks_module(self) -> None:
        from werkzeug import serving

        assert cli_module.click is click
        assert cli_module.run_simple is serving.run_simple
        assert cli_module.is_running_from_reloader is serving.is_running_from_reloader
