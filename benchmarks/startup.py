"""What a start costs: `python -m benchmarks.startup [--quick]`; exit 1 for a missed figure.

A hello of each peer in fresh processes, the peers in turn: CPU time and memory of the import,
and of everything up to the first answer; then the time until a server answers. CPU time, as the
clock on a busy machine measures the others. Shares over `import werkzeug`, which both Flask and
hipflask begin with, say what each of them adds. `FAULT=1` weighs our import down.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .compare import check_old, finish
from .document import OURS, Document, Figure, Row, set_ratios
from .servers import Server, ServerError, ended_by_signals

LIMIT = 0.9
SHARE_LIMIT = 0.4
PATIENCE_S = 30.0
#: A figure that is missed is looked at again: more rounds can only come nearer to the truth.
MOST_REPEATS = 3
FAULT = "import decimal, asyncio, unittest.mock; ballast = bytearray(40 << 20)"
BASE = "werkzeug"
#: Whose imports the figures compare; these get the most rounds.
JUDGED = (BASE, "flask", OURS)


@dataclass(frozen=True)
class Hello:
    """A peer's smallest program: its imports, and the application if there is a callable."""

    package: str
    imports: str
    app: str = ""
    interface: str = "wsgi"


HELLOS: dict[str, Hello] = {
    "raw": Hello(
        "",
        "",
        """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "13")])
    return [b"Hello, World!"]
""",
    ),
    BASE: Hello("werkzeug", "import werkzeug"),
    "hipflask": Hello(
        "hipflask",
        "from hipflask import Flask",
        """
app = Flask(__name__)

@app.get("/")
def hello():
    return "Hello, World!"
""",
    ),
    "flask": Hello(
        "flask",
        "from flask import Flask",
        """
app = Flask(__name__)

@app.get("/")
def hello():
    return "Hello, World!"
""",
    ),
    "bottle": Hello(
        "bottle",
        "from bottle import Bottle",
        """
app = Bottle()

@app.get("/")
def hello():
    return "Hello, World!"
""",
    ),
    "falcon": Hello(
        "falcon",
        "import falcon",
        """
class Hello:
    def on_get(self, request, response):
        response.text = "Hello, World!"

app = falcon.App()
app.add_route("/", Hello())
""",
    ),
    "django": Hello(
        "django",
        """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
""",
        """
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

def hello(request):
    return HttpResponse("Hello, World!")

urlpatterns = [path("", hello)]
app = get_wsgi_application()
""",
    ),
    "starlette": Hello(
        "starlette",
        """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
""",
        """
async def hello(request):
    return PlainTextResponse("Hello, World!")

app = Starlette(routes=[Route("/", hello)])
""",
        "asgi",
    ),
    "fastapi": Hello(
        "fastapi",
        "from fastapi import FastAPI\nfrom fastapi.responses import PlainTextResponse",
        """
app = FastAPI()

@app.get("/", response_class=PlainTextResponse)
async def hello():
    return "Hello, World!"
""",
        "asgi",
    ),
    "falcon_asgi": Hello(
        "falcon",
        "import falcon.asgi",
        """
class Hello:
    async def on_get(self, request, response):
        response.text = "Hello, World!"

app = falcon.asgi.App()
app.add_route("/", Hello())
""",
        "asgi",
    ),
    "quart": Hello(
        "quart",
        "from quart import Quart",
        """
app = Quart(__name__)

@app.get("/")
async def hello():
    return "Hello, World!"
""",
        "asgi",
    ),
    "litestar": Hello(
        "litestar",
        "from litestar import Litestar, MediaType, get",
        """
@get("/", media_type=MediaType.TEXT)
async def hello() -> str:
    return "Hello, World!"

app = Litestar([hello])
""",
        "asgi",
    ),
    "blacksheep": Hello(
        "blacksheep",
        "from blacksheep import Application, get",
        """
app = Application()

@get("/")
async def hello() -> str:
    return "Hello, World!"
""",
        "asgi",
    ),
    "microdot": Hello(
        "microdot",
        "from microdot.asgi import Microdot",
        """
app = Microdot()

@app.get("/")
async def hello(request):
    return "Hello, World!"
""",
        "asgi",
    ),
    "emmett55": Hello(
        "emmett55",
        "from emmett55 import App",
        """
app = App(__name__)

@app.route("/", output="str")
async def hello():
    return "Hello, World!"
""",
        "asgi",
    ),
    "sanic": Hello(
        "sanic",
        "from sanic import Sanic, text",
        """
app = Sanic("hello")

@app.get("/")
async def hello(request):
    return text("Hello, World!")
""",
        "asgi",
    ),
    "aiohttp": Hello("aiohttp", "from aiohttp import web"),
    "robyn": Hello("robyn", "from robyn import Robyn"),
    "django_bolt": Hello("django-bolt", "from django_bolt import BoltAPI"),
    "socketify": Hello("socketify", "from socketify import App"),
}

# Linux's peak would include what the parent had before exec; the present size does not.
MEASURE = """
import time
began = time.process_time()
def note():
    took = time.process_time() - began
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    print("SEEN", took * 1e3, pages * 4096 / 1e6, flush=True)
"""
ASK_WSGI = """
import io
environ = dict(REQUEST_METHOD="GET", PATH_INFO="/", SCRIPT_NAME="", QUERY_STRING="",
    SERVER_NAME="localhost", SERVER_PORT="80", SERVER_PROTOCOL="HTTP/1.1", HTTP_HOST="localhost",
    REMOTE_ADDR="127.0.0.1")
environ |= {"wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
    "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False,
    "wsgi.run_once": False}
answer = b"".join(app(environ, lambda status, headers, exc_info=None: None))
"""
ASK_ASGI = """
import asyncio
async def ask():
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    started, over, parts = asyncio.Event(), asyncio.Event(), []
    asked = iter(["lifespan.startup"])
    async def live():
        for kind in asked:
            return {"type": kind}
        await asyncio.get_running_loop().create_future()
    async def told(message):
        started.set()
    async def serve():
        await app(scope, live, told)
    task = asyncio.ensure_future(serve())
    task.add_done_callback(lambda task: task.cancelled() or (task.exception(), started.set()))
    await started.wait()
    bodies = iter([b""])
    async def receive():
        for body in bodies:
            return {"type": "http.request", "body": body, "more_body": False}
        await over.wait()
        return {"type": "http.disconnect"}
    async def send(message):
        parts.append(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over.set()
    await app({"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000), "state": {}}, receive, send)
    task.cancel()
    return b"".join(parts)
answer = asyncio.run(ask())
"""
ASK = {"wsgi": ASK_WSGI, "asgi": ASK_ASGI}


def dump_program(name: str, *, slowed: bool = False) -> str:
    """Return a program that says what import and first answer cost."""
    hello = HELLOS[name]
    parts = [MEASURE, FAULT if slowed else "", hello.imports, "note()"]
    if hello.app:
        parts += [hello.app, ASK[hello.interface], "note()"]
        parts.append('assert answer == b"Hello, World!", answer')
    return "\n".join(parts)


def run(program: str) -> list[tuple[float, float]]:
    """Return milliseconds and megabytes of each step of a program; raises RuntimeError."""
    words, environ = [sys.executable, "-c", program], plain_environment()
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, env=environ, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer within {PATIENCE_S:g} s") from None
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("SEEN")]
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2][-300:])
    return [(float(took), float(size)) for _, took, size in lines]


def plain_environment() -> dict[str, str]:
    """Return an environment in which nothing is set for Flask, and compiled files are kept."""
    dropped = ("HIPFLASK_", "FLASK_", "PYTHONDONTWRITEBYTECODE")
    return {name: text for name, text in os.environ.items() if not name.startswith(dropped)}


STEPS = (("import ms", "import MB"), ("first answer ms", "first answer MB"))


class Bench:
    """Collects the rows of all peers."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._rows: dict[tuple[str, str], Row] = {}
        self._failed: set[str] = set()

    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def import_in_turn(self, names: Sequence[str], rounds: int) -> None:
        """Start each peer's program so many times, one after the other."""
        slowed = bool(os.environ.get("FAULT"))
        programs = {name: dump_program(name, slowed=slowed and name == OURS) for name in names}
        for number in range(rounds + 1):
            for name in names:
                if name in self._failed:
                    continue
                try:
                    steps = run(programs[name])
                except RuntimeError as error:
                    self._fail(name, str(error))
                    continue
                if number == 0:
                    continue  # it has written compiled files
                for labels, seen in zip(STEPS, steps, strict=False):
                    for label, value in zip(labels, seen, strict=True):
                        self._add(name, label, value)

    def serve_in_turn(self, names: Sequence[str], rounds: int, folder: Path) -> None:
        """Start each peer's server so many times, and wait for its first answer."""
        commands: dict[str, list[str]] = {}
        for name in names:
            hello = HELLOS[name]
            if not hello.app:
                continue
            module = folder / f"hello_{name}.py"
            module.write_text(f"{hello.imports}\n{hello.app}", encoding="utf-8")
            words = ["-m", "granian", "--interface", hello.interface, "--host", "127.0.0.1"]
            words += ["--port", "{port}", "--log-level", "warning", f"{module.stem}:app"]
            commands[name] = [sys.executable, *words]
        if OURS in commands:
            words = ["-m", "hipflask", "--app", f"hello_{OURS}:app", "serve"]
            commands[f"{OURS} serve"] = [sys.executable, *words, "--bind", "127.0.0.1:{port}"]
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        for number in range(rounds + 1):
            for name, command in commands.items():
                if name in self._failed:
                    continue
                began = time.monotonic()
                try:
                    with Server(command, folder, environ={"PYTHONPATH": path}) as server:
                        took, (size, _) = time.monotonic() - began, server.memory_mb()
                except ServerError as error:
                    self._fail(name, str(error))
                    continue
                if number:
                    self._add(name, "server up ms", took * 1e3)
                    self._add(name, "server up MB", size)

    def _add(self, name: str, label: str, value: float) -> None:
        unit = label.rpartition(" ")[2].lower()
        row = self._rows.setdefault((name, label), Row(name, "", label, unit=unit))
        row.rounds.append(round(value, 3))

    def _fail(self, name: str, words: str) -> None:
        self._failed.add(name)
        self._document.notes.append(f"{name}: {words}")


def figures_of(rows: Iterable[Row]) -> list[Figure]:
    """Return import time and memory beside Flask's, with and without Werkzeug's part."""
    best = {(row.peer, row.workload): row.best for row in rows if row.rounds}
    figures = []
    for label in STEPS[0]:
        if any((name, label) not in best for name in JUDGED):
            continue
        base, flask, ours = (best[name, label] for name in JUDGED)
        figures.append(Figure(f"{label}: ours / Flask's", ours / flask, LIMIT))
        share = (ours - base) / (flask - base)
        figures.append(Figure(f"{label} over Werkzeug's: ours / Flask's", share, SHARE_LIMIT))
    return figures


def count_instructions(name: str) -> float | None:
    """Return the million instructions of an import, counted by valgrind; None without it."""
    if not shutil.which("valgrind"):
        return None
    counts = []
    for imports in ("pass", HELLOS[name].imports):
        words = ["valgrind", "--tool=cachegrind", "--cache-sim=no"]
        words += ["--cachegrind-out-file=/dev/null", sys.executable, "-c", imports]
        environ = plain_environment() | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(words, capture_output=True, text=True, env=environ, timeout=300)
        found = [line for line in done.stderr.splitlines() if "refs:" in line]
        if not found:
            return None
        counts.append(int(found[0].rpartition(":")[2].replace(",", "")))
    return (counts[1] - counts[0]) / 1e6


def note_instructions(document: Document) -> None:
    """Note the shares by instructions: the same in each run, whatever else the machine does."""
    counts = [count_instructions(name) for name in JUDGED]
    if None in counts:
        document.notes.append("instructions were not counted: valgrind is not there")
        return
    base, flask, ours = (count or 0.0 for count in counts)
    document.notes.append(
        f"instructions of the import, in millions: hipflask {ours:.0f}, Flask {flask:.0f}"
        f" ({ours / flask:.3f}), Werkzeug {base:.0f};"
        f" over Werkzeug's {(ours - base) / (flask - base):.3f}"
    )


def measure(*, quick: bool = False, only: Sequence[str] = ()) -> Document:
    """Return the document of a run."""
    document = Document("startup", reference="flask")
    names = [name for name in HELLOS if not only or name in (*only, *JUDGED)]
    document.begin(HELLOS[name].package for name in names if HELLOS[name].package)
    for name in names:
        if HELLOS[name].package and HELLOS[name].package not in document.versions:
            document.notes.append(f"{name}: {HELLOS[name].package} is not installed")
    names = [name for name in names if HELLOS[name].package in ("", *document.versions)]
    bench = Bench(document)
    bench.import_in_turn(names, 3 if quick else 7)
    for _ in range(MOST_REPEATS):
        bench.import_in_turn([name for name in JUDGED if name in names], 9 if quick else 30)
        if all(figure.held for figure in figures_of(bench.rows())):
            break
    with tempfile.TemporaryDirectory(prefix="hipflask-bench-") as folder:
        bench.serve_in_turn(names, 1 if quick else 5, Path(folder))
    document.rows = bench.rows()
    set_ratios(document.rows, document.reference)
    document.figures = figures_of(document.rows)
    if not quick and not os.environ.get("FAULT"):
        note_instructions(document)
    return document


def main() -> int:
    """Read the command line, measure, print and write the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""))
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    options = parser.parse_args()
    check_old(options.compare, "startup")
    with ended_by_signals():
        only = [name for name in options.only.split(",") if name]
        document = measure(quick=options.quick, only=only)
    return finish(document, options.compare)


if __name__ == "__main__":
    sys.exit(main())
