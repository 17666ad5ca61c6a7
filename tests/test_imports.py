"""What `import hipflask` offers is there at once, whether or not it is loaded yet."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import typing

import pytest

import hipflask
from hipflask import Blueprint, Config, Event, Flask, Request, Response, sessions
from hipflask.sessions import SecureCookieSession, SecureCookieSessionInterface
from hipflask.wrappers import Request as SameRequest

# Modules that are attributes of Flask's package after `import flask`.
FLASKS_MODULES = """
    app blueprints cli config ctx globals helpers json logging sessions signals templating typing
    wrappers
""".split()


def fresh(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_modules_are_attributes_after_the_import_as_in_flask():
    code = "import hipflask\nfor name in {!r}: print(getattr(hipflask, name).__name__)"
    found = fresh(code.format(FLASKS_MODULES)).split()
    assert found == [f"hipflask.{name}" for name in FLASKS_MODULES]


@pytest.mark.parametrize("name", sorted(hipflask._LATER))
def test_name_loaded_later_is_that_of_its_module(name):
    module = importlib.import_module(f"hipflask.{hipflask._LATER[name]}")
    assert getattr(hipflask, name) is getattr(module, name)
    assert name in dir(hipflask)


def test_star_import_gives_the_names_loaded_later_and_no_event_loop():
    code = "from hipflask import *\nimport sys\nprint('asyncio' in sys.modules, *sorted(vars()))"
    with_asyncio, *names = fresh(code).split()
    assert with_asyncio == "False"
    assert {"Blueprint", "Flask", "sse", "stream_with_context", "url_for"} <= set(names)


def test_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match="'hipflask' has no attribute 'Blueprnt'"):
        hipflask.Blueprnt  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Blueprnt' from 'hipflask'"):
        from hipflask import Blueprnt  # noqa: F401


@pytest.mark.parametrize("name", ["helpers", "sessions", "templating", "typing"])
def test_modules_with_names_loaded_later_refuse_others(name):
    with pytest.raises(AttributeError, match=f"'hipflask.{name}' has no attribute 'nothing'"):
        getattr(getattr(hipflask, name), "nothing")


def test_stream_with_context_is_also_found_where_flask_has_it():
    from hipflask import helpers, streaming

    assert helpers.stream_with_context is streaming.stream_with_context
    assert hipflask.stream_with_context is streaming.stream_with_context


def test_classes_and_functions_are_pickled_by_name():
    for value in (Blueprint, Config, Event, Flask, Response, SecureCookieSession, hipflask.url_for):
        assert pickle.loads(pickle.dumps(value)) is value
    assert Request is SameRequest


def test_types_in_hints_are_found_when_they_are_asked_for():
    hints = typing.get_type_hints(Flask.add_url_rule)
    assert hints["view_func"] == hipflask.typing.RouteCallable | None
    for function in (Flask.route, Flask.before_request, Flask.errorhandler, Flask.wsgi_app):
        assert typing.get_type_hints(function)
    for function in (Blueprint.route, Blueprint.register_blueprint, hipflask.after_this_request):
        assert typing.get_type_hints(function)


def test_typing_lists_its_names():
    assert {"Application", "ResponseReturnValue", "RouteCallable"} <= set(dir(hipflask.typing))


def test_types_are_made_only_when_they_are_asked_for():
    code = """
import sys
import hipflask.typing as ft
print("hipflask.hints" in sys.modules)
print(ft.RouteCallable is sys.modules["hipflask.hints"].RouteCallable)
"""
    # Not of `import hipflask` as a whole, which tests/rules/test_import_weight.py looks at.
    before = "import importlib, sys, types\npackage = types.ModuleType('hipflask')\n"
    before += f"package.__path__ = {list(hipflask.__path__)!r}\nsys.modules['hipflask'] = package\n"
    assert fresh(before + code).split() == ["False", "True"]


def test_interfaces_share_one_serializer_from_first_use_on():
    code = """
import sys
from hipflask import sessions
from hipflask.sessions import SecureCookieSessionInterface as Interface
print("hipflask.json.tag" in sys.modules)
kept = Interface().serializer
print(kept is Interface.serializer is Interface().serializer is sessions.session_json_serializer)
print(type(kept).__name__, vars(Interface)["serializer"] is kept)
"""
    assert fresh(code).split() == ["False", "True", "TaggedJSONSerializer", "True"]


def test_serializer_of_the_interface_can_be_replaced(monkeypatch):
    own = object()
    monkeypatch.setattr(SecureCookieSessionInterface, "serializer", own)
    assert SecureCookieSessionInterface().serializer is own
    monkeypatch.undo()
    assert SecureCookieSessionInterface().serializer is sessions.session_json_serializer
