"""The alias changes what a whole process imports, so each test looks at a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HAS_FLASK = importlib.util.find_spec("flask") is not None
needs_flask = pytest.mark.skipif(not HAS_FLASK, reason="needs the real Flask: pip install flask")
needs_no_flask = pytest.mark.skipif(HAS_FLASK, reason="only where Flask is not installed")


def run(
    *words: str, cwd: Path | None = None, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs this Python with arguments, without any of the alias's variables but those given."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("HIPFLASK_", "FLASK_"))}
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environ, **variables},
    )
    if check and done.returncode:
        pytest.fail(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def run_code(code: str, **variables: str) -> str:
    """Returns what a program prints that begins with `import hipflask.as_flask`."""
    return run("-c", f"import hipflask.as_flask\n{textwrap.dedent(code)}", **variables).stdout


def as_flask(*words: str, cwd: Path | None = None, check: bool = True) -> str:
    """Returns what `hipflask as-flask WORDS` prints."""
    return run("-m", "hipflask", "as-flask", *words, cwd=cwd, check=check).stdout


class TestModules:
    def test_flask_is_the_very_module_hipflask(self) -> None:
        assert run_code("import flask, hipflask; print(flask is hipflask)") == "True\n"

    def test_submodules_are_the_very_modules_of_hipflask(self) -> None:
        code = """
            import sys
            from importlib import import_module
            for name in ("app", "cli", "ctx", "json", "json.provider", "json.tag", "testing"):
                ours = import_module(f"hipflask.{name}")
                assert import_module(f"flask.{name}") is ours, name
                assert sys.modules[f"flask.{name}"] is ours, name
        """
        run_code(code)

    def test_sansio_modules_are_the_ones_that_hold_their_subject(self) -> None:
        code = """
            import flask.sansio.app, flask.sansio.blueprints
            from flask.sansio import scaffold
            import hipflask
            assert flask.sansio.app is hipflask.app
            assert flask.sansio.blueprints is hipflask.blueprints
            assert scaffold is hipflask.scaffold
            assert issubclass(hipflask.Flask, flask.sansio.app.App)
            assert issubclass(hipflask.Blueprint, scaffold.Scaffold)
        """
        run_code(code)

    def test_sansio_is_reached_as_an_attribute(self) -> None:
        out = run_code("import flask; print(flask.sansio.scaffold.__name__)")
        assert out == "hipflask.scaffold\n"

    def test_sansio_has_no_other_module(self) -> None:
        code = """
            import flask.sansio
            for name in ("flask.sansio.wrappers", "flask.nothing", "flask.sansio.nothing"):
                try:
                    __import__(name)
                except ModuleNotFoundError as error:
                    assert error.name == name, error.name
                else:
                    raise SystemExit(name)
            assert not hasattr(flask.sansio, "nothing")
        """
        run_code(code)

    def test_modules_keep_their_own_spec_and_loader(self) -> None:
        code = """
            import importlib, importlib.resources, inspect
            import flask.app, flask.testing, flask.debughelpers
            for module in (flask, flask.app, flask.testing, flask.debughelpers):
                assert module.__spec__.name == module.__name__
                assert module.__spec__.loader is module.__loader__
                assert type(module.__loader__).__name__ == "SourceFileLoader"
                assert inspect.getsource(module)
            assert importlib.resources.files("flask").joinpath("app.py").is_file()
        """
        run_code(code, HIPFLASK_AS_FLASK="1")

    def test_patching_a_flask_module_patches_hipflask(self) -> None:
        code = """
            import flask, hipflask
            class Mine(flask.Flask): pass
            flask.Flask = Mine
            print(hipflask.Flask is Mine)
        """
        assert run_code(code) == "True\n"

    @needs_flask
    def test_flask_itself_loaded_before_is_an_error_that_names_it(self) -> None:
        done = run("-c", "import flask\nimport hipflask.as_flask", check=False)
        assert done.returncode == 1
        assert "Flask itself is already loaded, from" in done.stderr
        assert "before anything that imports flask" in done.stderr

    def test_switching_on_twice_changes_nothing(self) -> None:
        code = """
            import sys, flask
            from hipflask.as_flask import install, is_alias_finder
            answer = vars(flask)["__getattr__"]
            install()
            assert vars(flask)["__getattr__"] is answer
            assert len([f for f in sys.meta_path if is_alias_finder(f)]) == 1
        """
        run_code(code)
        run_code(code, HIPFLASK_AS_FLASK="1")

    def test_defaults_are_flasks_unless_chosen(self) -> None:
        code = "import os; print(os.environ['HIPFLASK_DEFAULTS'])"
        assert run_code(code) == "flask\n"
        assert run_code(code, HIPFLASK_DEFAULTS="secure") == "secure\n"


class TestBorrowedNames:
    def test_names_that_flask_imports_are_found_where_it_has_them(self) -> None:
        code = """
            import typing, os, click, werkzeug.routing, werkzeug.wrappers, blinker
            import flask
            from flask.app import Rule, os as app_os
            from flask.wrappers import RequestBase, ResponseBase
            from flask.globals import request_ctx
            from flask.signals import Namespace
            from flask.views import http_method_funcs
            from flask.sansio.scaffold import _endpoint_from_view_func
            assert Rule is werkzeug.routing.Rule and app_os is os
            assert ResponseBase is werkzeug.wrappers.Response
            assert RequestBase is werkzeug.wrappers.Request
            assert Namespace is blinker.Namespace
            assert flask.cli.click is click and flask.t is typing
            assert isinstance(flask.views.F, typing.TypeVar)
        """
        run_code(code)

    def test_every_entry_of_the_table_resolves(self) -> None:
        code = """
            import warnings
            from importlib import import_module
            from hipflask.as_flask import _BORROWED
            warnings.simplefilter("ignore")  # some old names warn
            missing = []
            for subject, table in _BORROWED.items():
                module = import_module(f"flask.{subject}" if subject else "flask")
                for line in table.split("\\n"):
                    for entry in line.partition(": ")[2].split():
                        name = entry.partition("=")[0]
                        if not hasattr(module, name):
                            missing.append(f"{module.__name__}.{name}")
            print(missing)
        """
        assert run_code(code) == "[]\n"

    def test_hipflask_alone_does_not_carry_them(self) -> None:
        out = run("-c", "import hipflask.signals as s; print(hasattr(s, 'annotations'))").stdout
        assert out in ("True\n", "False\n")
        out = run("-c", "import hipflask.views as v; print(hasattr(v, 'F'), 'flask' in vars(v))")
        assert out.stdout.endswith("False\n")

    def test_unknown_names_stay_errors_that_name_the_module(self) -> None:
        code = """
            import flask
            for module in (flask, flask.app, flask.templating):
                try:
                    module.no_such_name
                except AttributeError as error:
                    print(error)
        """
        assert run_code(code).splitlines() == [
            "module 'hipflask' has no attribute 'no_such_name'",
            "module 'hipflask.app' has no attribute 'no_such_name'",
            "module 'hipflask.templating' has no attribute 'no_such_name'",
        ]


class TestMetadata:
    def test_version_is_flasks(self) -> None:
        code = "from importlib.metadata import version; print(version('flask'), version('Flask'))"
        assert run_code(code) == "3.1.3 3.1.3\n"

    def test_version_attribute_warns_as_flasks_does(self) -> None:
        code = """
            import warnings
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                import flask
                print(flask.__version__, [w.category.__name__ for w in caught])
        """
        assert run_code(code) == "3.1.3 ['DeprecationWarning']\n"

    def test_flask_is_listed_once(self) -> None:
        code = """
            from importlib.metadata import distributions, distribution
            names = [(d.metadata["Name"] or "").lower() for d in distributions()]
            print(names.count("flask"), distribution("flask").metadata["Name"])
        """
        assert run_code(code) == "1 Flask\n"

    def test_other_distributions_are_as_before(self) -> None:
        code = """
            from importlib.metadata import PackageNotFoundError, entry_points, version
            assert version("werkzeug")
            try:
                version("flask-nothing")
            except PackageNotFoundError:
                pass
            else:
                raise SystemExit("found what is not there")
            print([e.value for e in entry_points(group="console_scripts", name="flask")])
            print([e.name for e in entry_points(group="console_scripts", name="hipflask")])
        """
        assert run_code(code) == "['flask.cli:main']\n['hipflask']\n"

    @needs_flask
    def test_the_real_metadata_is_used_where_flask_is_installed(self) -> None:
        code = """
            from importlib.metadata import distribution
            print(type(distribution("flask")).__name__)
        """
        assert run_code(code) == "PathDistribution\n"

    @needs_no_flask
    def test_a_stand_in_is_used_where_flask_is_not_installed(self) -> None:
        code = """
            from importlib.metadata import distribution
            found = distribution("flask")
            print(type(found).__name__, found.read_text("RECORD"), found.files)
            print(found.locate_file("hipflask").is_dir())
        """
        assert run_code(code) == "StandIn None None\nTrue\n"

    def test_stand_in_steps_in_when_no_other_finder_knows_flask(self) -> None:
        """The same where Flask is installed, its distribution hidden from the other finders."""
        code = """
            import sys
            from importlib.metadata import distribution, distributions
            from importlib.machinery import PathFinder
            from hipflask.as_flask import is_alias_finder

            class Hiding:
                @staticmethod
                def find_distributions(context=None):
                    for found in PathFinder.find_distributions(context):
                        if found.metadata["Name"].lower() != "flask":
                            yield found

                @staticmethod
                def find_spec(name, path=None, target=None):
                    return PathFinder.find_spec(name, path, target)

            sys.meta_path[:] = [Hiding if f is PathFinder else f for f in sys.meta_path]
            print(distribution("flask").version, distribution("werkzeug").version != "")
            names = [(d.metadata["Name"] or "").lower() for d in distributions()]
            print(names.count("flask"))
        """
        assert run_code(code) == "3.1.3 True\n1\n"


class TestCommand:
    def test_the_accepted_line(self) -> None:
        code = "import flask; print(flask.Flask.__module__)"
        assert as_flask("python", "-c", code) == "hipflask.app\n"

    def test_child_processes_are_included(self) -> None:
        inner = "import flask; print(flask.Flask.__module__)"
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
        assert as_flask("python", "-c", outer) == "hipflask.app\n"

    def test_scripts_modules_and_console_scripts_run(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import flask, sys; print(flask.__name__, sys.argv[1])")
        assert as_flask("python", "script.py", "x", cwd=tmp_path) == "hipflask x\n"
        assert as_flask("python", "-m", "script", "y", cwd=tmp_path) == "hipflask y\n"
        (tmp_path / "test_it.py").write_text(
            "import flask\ndef test_it(): assert flask.Flask.__module__ == 'hipflask.app'\n"
        )
        assert "1 passed" in as_flask("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
    def test_gunicorn_loads_an_unmodified_app(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text(
            "from flask import Flask\napp = Flask(__name__)\nprint(type(app).__module__)\n"
        )
        assert as_flask("gunicorn", "--check-config", "shop:app", cwd=tmp_path) == "hipflask.app\n"

    def test_nothing_of_hipflask_is_loaded_until_flask_is(self) -> None:
        code = "import sys; print([m for m in sys.modules if m.startswith(('hipf', 'werk'))])"
        assert as_flask("python", "-c", code) == "[]\n"

    def test_hipflask_imported_under_its_own_name_answers_too(self) -> None:
        code = "import hipflask.as_flask as a, hipflask.cli, flask; print(a.__name__, flask.cli.os)"
        assert as_flask("python", "-c", code).startswith("hipflask.as_flask <module 'os'")

    def test_off_means_off(self) -> None:
        code = "import sys; print([f for f in sys.meta_path if hasattr(f, 'answers_for_flask')])"
        assert run("-c", code).stdout == "[]\n"

    def test_flask_is_our_command_line(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(
            "from flask import Flask\napp = Flask(__name__)\n"
            "@app.get('/there')\ndef there(): return 'x'\n"
            "@app.cli.command('whose')\ndef whose(): print(type(app).__module__)\n"
        )
        assert "/there" in as_flask("flask", "routes", cwd=tmp_path)
        assert as_flask("flask", "whose", cwd=tmp_path) == "hipflask.app\n"
        assert as_flask("python", "-m", "flask", "whose", cwd=tmp_path) == "hipflask.app\n"

    def test_exit_status_is_the_commands(self) -> None:
        done = run("-m", "hipflask", "as-flask", "python", "-c", "exit(7)", check=False)
        assert done.returncode == 7

    def test_unknown_command_is_one_line_and_status_2(self) -> None:
        done = run("-m", "hipflask", "as-flask", "no-such-command", check=False)
        assert done.returncode == 2
        assert done.stderr == "hipflask as-flask: no command 'no-such-command' found\n"

    def test_a_bare_script_name_is_hinted_at(self, tmp_path: Path) -> None:
        words = ("-m", "hipflask.as_flask", "script.py")
        done = run(*words, cwd=tmp_path, check=False)
        assert done.returncode == 2
        assert "did you mean `python script.py`?" in done.stderr

    def test_a_file_that_cannot_be_run_is_one_line_and_status_2(self, tmp_path: Path) -> None:
        program = tmp_path / "garbage"
        program.write_bytes(b"\x00\x01\x02")
        program.chmod(0o755)
        done = run("-m", "hipflask.as_flask", str(program), check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("hipflask as-flask: cannot run ")

    def test_usage_is_printed_on_request_and_on_nothing(self) -> None:
        asked = run("-m", "hipflask.as_flask", "--help")
        assert asked.stdout.startswith("usage: hipflask as-flask COMMAND")
        empty = run("-m", "hipflask.as_flask", check=False)
        assert (empty.returncode, empty.stderr) == (2, asked.stdout)

    def test_missing_pth_is_refused_rather_than_ignored(self) -> None:
        code = """
            import sys
            from hipflask import as_flask
            as_flask.PTH_NAME = "absent.pth"
            sys.exit(as_flask.main(["python", "-c", "1"]))
        """
        done = run("-c", textwrap.dedent(code), check=False)
        assert done.returncode == 2
        assert "absent.pth is in none of this Python's site directories" in done.stderr

    def test_this_pythons_scripts_are_found_first(self) -> None:
        code = """
            import os, sys, sysconfig
            from hipflask.as_flask import make_environ
            scripts = sysconfig.get_path("scripts")
            made = make_environ({"PATH": "/one"})
            assert made["PATH"] == os.pathsep.join([scripts, "/one"]), made
            assert make_environ(made)["PATH"] == made["PATH"]
            assert made["HIPFLASK_AS_FLASK"] == "1"
        """
        run_code(code)
