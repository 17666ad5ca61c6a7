"""The application's logger: its name, level, handler and stream."""

import io
import logging
import sys

import pytest

from hipflask import Flask
from hipflask.logging import (
    create_logger,
    default_handler,
    has_level_handler,
    wsgi_errors_stream,
)

NAME = "hipflask_test_logging"


@pytest.fixture(autouse=True)
def parent(monkeypatch):
    """A logger above the application's that the test runner, which adds handlers, cannot see."""
    logger, above = logging.getLogger(NAME), logging.Logger("above", logging.WARNING)
    monkeypatch.setattr(logger, "parent", above)
    yield above
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def app():
    app = Flask(NAME)
    app.debug = False
    return app


def test_logger_has_the_apps_name_and_the_default_handler(app):
    logger = create_logger(app)
    assert logger is logging.getLogger(NAME)
    assert logger.handlers == [default_handler]
    assert logger.level == logging.NOTSET


def test_app_logger_is_that_logger(app):
    assert app.logger is logging.getLogger(NAME)
    assert app.logger is app.logger


def test_debug_mode_lowers_the_level(app):
    app.debug = True
    assert create_logger(app).level == logging.DEBUG


def test_debug_mode_keeps_a_level_that_was_set(app):
    logging.getLogger(NAME).setLevel(logging.ERROR)
    app.debug = True
    assert create_logger(app).level == logging.ERROR


def test_configured_logging_is_left_alone(app, parent):
    parent.addHandler(logging.NullHandler())
    assert create_logger(app).handlers == []


def test_two_loggers_do_not_add_the_handler_twice(app):
    create_logger(app)
    assert create_logger(app).handlers == [default_handler]


def test_has_level_handler_looks_up_the_chain(parent):
    logger = logging.getLogger(f"{NAME}.inner")
    logger.propagate = True
    assert not has_level_handler(logger)
    handler = logging.NullHandler()
    parent.addHandler(handler)
    assert has_level_handler(logger)
    logger.propagate = False
    assert not has_level_handler(logger)
    logger.propagate = True
    handler.setLevel(logging.CRITICAL)
    assert not has_level_handler(logger)


def test_stream_is_stderr_outside_of_a_request(monkeypatch):
    assert wsgi_errors_stream._get_current_object() is sys.stderr
    other = io.StringIO()
    monkeypatch.setattr(sys, "stderr", other)
    assert wsgi_errors_stream._get_current_object() is other


def test_stream_is_the_requests_within_one(app):
    stream = io.StringIO()
    with app.test_request_context(errors_stream=stream):
        assert wsgi_errors_stream._get_current_object() is stream


def test_message_of_a_view_goes_to_the_requests_stream(app):
    @app.get("/")
    def index():
        app.logger.error("kettle is dry")
        return ""

    stream = io.StringIO()
    app.test_client().get("/", errors_stream=stream)
    assert stream.getvalue().endswith("] ERROR in test_logging: kettle is dry\n")
