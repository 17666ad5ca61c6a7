"""`import hipflask` and a first request load what every application needs, and nothing else.

Counted in modules, which are the same on each run of each machine. What is loaded here is paid
for by every application, in time to start and in memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

# What we stand on, loaded before anything is counted: it brings some 180 modules whatever we
# do, other ones with each version of Python.
BASE = "import werkzeug, werkzeug.local, werkzeug.routing, blinker, contextvars"

# What puts an application together and answers a plain request under WSGI. Everything else waits
# for somebody to use it: public names in a module's `__getattr__`, the rest inside functions.
CORE = """
    app assembly bridge config ctx dispatch errors front front.wsgi globals helpers json
    bodies json.plain json.provider lifespan live packages parts plain queries routing scaffold
    responses sealing sessions signals templating typing wrappers
"""

APPLICATION = """
from hipflask import Flask
app = Flask("hello")
@app.get("/")
def index():
    return "hello"
@app.get("/<int:n>")
def number(n: int) -> str:
    return str(n)
"""
REQUESTS = """
import io
for path in ("/", "/7"):
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "a=1",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "HTTP_HOST": "localhost:8000",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }
    started = []
    body = b"".join(app(environ, lambda status, fields, error=None: started.append(status)))
    assert started == ["200 OK"] and body in (b"hello", b"7"), (started, body)
"""


def loaded_by(code: str, before: str = BASE) -> set[str]:
    """Returns the modules that `code` adds to those of `before`, in a fresh Python."""
    program = f"import json, sys\n{before}\nknown = set(sys.modules)\n{code}\n"
    program += "print(json.dumps(sorted(set(sys.modules) - known)))"
    # Coverage and the alias in the child would load modules of their own.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "HIPFLASK_", "FLASK_"))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=kept)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return set(found)


def ours(words: str) -> set[str]:
    return {"hipflask", *(f"hipflask.{word}" for word in words.split())}


def explain(when: str, extra: set[str]) -> str:
    return (
        f"{when} now loads {', '.join(sorted(extra))}. Import it inside the function that needs"
        " it, with a word of why, or answer for a public name in `__getattr__`. If every"
        f" application's first request needs it, add it to CORE in {__file__}."
    )


def test_import_loads_the_core_and_nothing_else() -> None:
    extra = loaded_by("import hipflask") - ours(CORE)
    assert not extra, explain("`import hipflask`", extra)


def test_the_core_names_no_module_that_is_not_loaded() -> None:
    assert ours(CORE) - loaded_by("import hipflask") == set()


def test_first_requests_load_nothing_that_the_import_left_out() -> None:
    extra = loaded_by(APPLICATION + REQUESTS, f"{BASE}, io, hipflask")
    assert not extra, explain("A plain application's first request", extra)


def test_the_check_would_notice() -> None:
    assert "hipflask.blueprints" in loaded_by("from hipflask import Blueprint")
    assert "asyncio" in loaded_by("import hipflask, asyncio") - ours(CORE)
