"""Methods replaced on the instance, on the class, in a subclass; the class rebound.

Every test runs on hipflask, and on the real Flask too when it is installed, with the same
expectations: what an extension relies on is Flask's behaviour, not ours.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from .support import WARM, ask, make, patched, warm_up, wrapping

# Each overridable step, and a path on which it must be called.
STEPS = {
    "wsgi_app": "/",
    "full_dispatch_request": "/",
    "preprocess_request": "/",
    "dispatch_request": "/",
    "finalize_request": "/",
    "make_response": "/",
    "process_response": "/",
    "do_teardown_request": "/",
    "do_teardown_appcontext": "/",
    "create_url_adapter": "/",
    "request_context": "/",
    "handle_http_exception": "/refuse",
    "handle_user_exception": "/refuse",
    "trap_http_exception": "/refuse",
    "handle_exception": "/fail",
    "log_exception": "/fail",
    "raise_routing_exception": "/nowhere",
}
ANSWERS = {"/": ("200", "view"), "/refuse": "403", "/fail": "500", "/nowhere": "404"}


def expect(app: Any, path: str) -> None:
    answer = ask(app, path)
    assert answer == ANSWERS[path] or answer[0] == ANSWERS[path]


@WARM
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_replaced_on_the_instance_is_called(fl: ModuleType, step: str, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    log: list[str] = []
    setattr(app, step, wrapping(log, getattr(app, step), step))
    expect(app, STEPS[step])
    assert step in log
    log.clear()
    expect(app, STEPS[step])
    assert step in log


@WARM
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_removed_from_the_instance_is_not_called(
    fl: ModuleType, step: str, warm: bool
) -> None:
    app = make(fl)
    warm_up(app, warm)
    log: list[str] = []
    setattr(app, step, wrapping(log, getattr(app, step), step))
    expect(app, STEPS[step])
    delattr(app, step)
    log.clear()
    expect(app, STEPS[step])
    assert step not in log


@WARM
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_replaced_on_the_class_is_called(fl: ModuleType, step: str, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    log: list[str] = []
    original = getattr(fl.Flask, step)
    with patched(fl.Flask, step, wrapping(log, original, step)):
        expect(app, STEPS[step])
        assert step in log
    log.clear()
    expect(app, STEPS[step])
    assert log == []


@WARM
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_overridden_in_a_subclass_is_called(fl: ModuleType, step: str, warm: bool) -> None:
    log: list[str] = []

    def override(self: Any, *args: Any, **kwargs: Any) -> Any:
        log.append(step)
        return getattr(fl.Flask, step)(self, *args, **kwargs)

    app = make(fl, type("Sub", (fl.Flask,), {step: override}))
    warm_up(app, warm)
    log.clear()
    expect(app, STEPS[step])
    assert step in log


@WARM
@pytest.mark.parametrize("how", ["instance", "class", "subclass"])
def test_what_ensure_sync_gives_back_runs_at_every_request(
    fl: ModuleType, warm: bool, how: str
) -> None:
    # Differs from Flask: we may ask once and keep the answer; what it answers runs every time.
    log: list[str] = []

    def marking(self: Any, view: Any) -> Any:
        return wrapping(log, original(self, view), "ran")

    original = fl.Flask.ensure_sync
    cls = type("Sub", (fl.Flask,), {"ensure_sync": marking}) if how == "subclass" else None
    app = make(fl, cls)
    warm_up(app, warm)
    log.clear()
    if how == "instance":
        app.ensure_sync = lambda view: marking(app, view)
    with patched(fl.Flask, "ensure_sync", marking if how == "class" else original):
        for count in (1, 2, 3):
            assert ask(app) == ("200", "view")
            assert log == ["ran"] * count
    if how == "class":
        assert ask(app) == ("200", "view")
        assert log == ["ran"] * 3


@WARM
def test_call_replaced_on_the_class_is_rung_and_undone(fl: ModuleType, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    log: list[str] = []
    with patched(fl.Flask, "__call__", wrapping(log, fl.Flask.__call__, "call")):
        assert ask(app) == ("200", "view")
    assert log == ["call"]
    assert ask(app) == ("200", "view")
    assert log == ["call"]


def test_call_overridden_in_a_subclass_is_rung(fl: ModuleType) -> None:
    log: list[str] = []

    class Sub(fl.Flask):  # type: ignore[name-defined,misc]
        def __call__(self, environ: Any, start_response: Any) -> Any:
            log.append("call")
            return super().__call__(environ, start_response)

    assert ask(make(fl, Sub)) == ("200", "view")
    assert log == ["call"]


@WARM
def test_the_class_rebound_in_the_module_works(
    fl: ModuleType, warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    app = make(fl)
    warm_up(app, warm)

    class Instrumented(fl.Flask):  # type: ignore[name-defined,misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.wsgi_app = wrapping(log, self.wsgi_app, "wsgi_app")
            self.before_request(lambda: log.append("before"))

    monkeypatch.setattr(fl, "Flask", Instrumented)
    later = make(fl)
    assert isinstance(later, Instrumented)
    assert ask(later) == ("200", "view")
    assert log == ["wsgi_app", "before"]
    assert ask(app) == ("200", "view")
    assert log == ["wsgi_app", "before"]


@WARM
def test_dispatch_request_on_the_instance_may_answer_by_itself(fl: ModuleType, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    app.dispatch_request = lambda: ("own", 201)
    assert ask(app) == ("201", "own")
    assert ask(app, "/nowhere") == ("201", "own")


@WARM
def test_wsgi_app_wrapped_sees_the_environ_first(fl: ModuleType, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/prefix")
        return inner(environ, start_response)

    app.wsgi_app = middleware
    assert ask(app, "/prefix/item/4") == ("200", "4")


@WARM
def test_handle_exception_on_the_instance_answers(fl: ModuleType, warm: bool) -> None:
    app = make(fl)
    warm_up(app, warm)
    app.handle_exception = lambda error: app.make_response((type(error).__name__, 503))
    assert ask(app, "/fail") == ("503", "ZeroDivisionError")


@WARM
def test_handle_user_exception_on_the_instance_sees_http_and_other_errors(
    fl: ModuleType, warm: bool
) -> None:
    app = make(fl)
    warm_up(app, warm)
    app.handle_user_exception = lambda error: app.make_response((type(error).__name__, 418))
    assert ask(app, "/fail") == ("418", "ZeroDivisionError")
    assert ask(app, "/refuse") == ("418", "Forbidden")
    assert ask(app, "/nowhere") == ("418", "NotFound")


@WARM
def test_handle_user_exception_that_raises_reaches_handle_exception(
    fl: ModuleType, warm: bool
) -> None:
    app = make(fl)
    warm_up(app, warm)
    seen: list[str] = []

    def user(error: Exception) -> Any:
        raise LookupError("new") from error

    def last(error: Exception) -> Any:
        seen.append(type(error).__name__)
        return app.make_response(("last", 500))

    app.handle_user_exception = user
    app.handle_exception = last
    assert ask(app, "/refuse") == ("500", "last")
    assert seen == ["LookupError"]
