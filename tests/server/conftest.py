"""Servers that end with the test."""

from __future__ import annotations

import json

import pytest

from .process import APP, DRIVER, Server


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def launch(folder):
    started = []

    def launch(*arguments, environ=None):
        server = Server(folder, arguments, environ)
        started.append(server)
        return server

    yield launch
    for server in started:
        server.clean_up()


@pytest.fixture
def served(launch):
    def served(environ=None, **options):
        options = {
            "bind": ["127.0.0.1:0"],
            "workers": 1,
            "threads": 4,
            "drain_wait_s": 0,
            **options,
        }
        return launch("driver.py", "serve", json.dumps(options), environ=environ)

    return served


@pytest.fixture
def developed(launch):
    def developed(environ=None, **options):
        options = {
            "host": "127.0.0.1",
            "port": 0,
            "reload": False,
            "debugger": False,
            "threads": True,
            **options,
        }
        return launch("driver.py", "run", json.dumps(options), environ=environ)

    return developed


@pytest.fixture
def certificate(tmp_path):
    pytest.importorskip("cryptography")
    from werkzeug.serving import make_ssl_devcert

    return make_ssl_devcert(str(tmp_path / "tls"), cn="localhost")
