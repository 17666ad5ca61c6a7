"""Compares hipflask with Flask side by side: import time, memory, hello in-process.

Prints ratios (ours / Flask's) and exits 1 when import time or memory is above 0.9. Each figure is
the least of several fresh processes, taken in turns, so that a busy machine bothers both alike.
`FAULT=1` weighs our import down, to show that the check notices.
"""

from __future__ import annotations

import os
import subprocess
import sys

ROUNDS = 9
CALLS = 3000
LIMIT = 0.9

FAULT_CODE = "import decimal, asyncio, unittest.mock; ballast = bytearray(40 << 20)"
# Linux's peak includes what the parent had before exec; the present size does not.
IMPORT_CODE = """
import sys, time
start = time.perf_counter()
{fault}
import {name}
took = time.perf_counter() - start
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
print(took * 1e3, pages * 4096 / 1e6)
"""
HELLO_CODE = """
import io, time
from {name} import Flask
app = Flask("bench")

@app.get("/")
def hello():
    return "Hello, World!"

def start_response(status, headers, exc_info=None):
    return None

def call():
    environ = dict(REQUEST_METHOD="GET", PATH_INFO="/", SCRIPT_NAME="", QUERY_STRING="",
        SERVER_NAME="localhost", SERVER_PORT="80", SERVER_PROTOCOL="HTTP/1.1")
    environ["HTTP_HOST"] = "localhost"
    environ["wsgi.url_scheme"] = "http"
    environ["wsgi.input"] = io.BytesIO()
    environ["wsgi.errors"] = io.StringIO()
    body = app(environ, start_response)
    b"".join(body)
    if hasattr(body, "close"):
        body.close()

for _ in range({calls} // 10):
    call()
start = time.process_time()
for _ in range({calls}):
    call()
print((time.process_time() - start) / {calls} * 1e6)
"""


def run(code: str) -> list[float]:
    # With compiled files kept, as installed packages have them: the first round writes ours.
    dropped = ("HIPFLASK_", "FLASK_", "PYTHONDONTWRITEBYTECODE")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ
    )
    return [float(word) for word in done.stdout.split()]


def measure(template: str, rounds: int, fault: str = "") -> dict[str, list[float]]:
    """Returns the least of each figure, by package."""
    best: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("flask", "hipflask"):
            code = template.format(name=name, calls=CALLS, fault=fault if name[0] == "h" else "")
            figures = run(code)
            known = best.setdefault(name, figures)
            best[name] = [min(pair) for pair in zip(known, figures, strict=True)]
    return best


def main() -> int:
    fault = FAULT_CODE if os.environ.get("FAULT") else ""
    imports = measure(IMPORT_CODE, ROUNDS, fault)
    hello = measure(HELLO_CODE, 3)
    rows = [
        ("import time", "ms", imports["hipflask"][0], imports["flask"][0], LIMIT),
        ("memory after import", "MB", imports["hipflask"][1], imports["flask"][1], LIMIT),
        ("hello in-process, CPU", "us", hello["hipflask"][0], hello["flask"][0], None),
    ]
    print(f"{'':24}{'hipflask':>10}{'Flask':>10}{'ratio':>8}")
    failed = False
    for label, unit, ours, flask, limit in rows:
        ratio = ours / flask
        verdict = ""
        if limit is not None:
            over = ratio > limit
            failed = failed or over
            verdict = f"  {'OVER' if over else 'within'} {limit}"
        print(f"{label:21}{unit:>3}{ours:10.1f}{flask:10.1f}{ratio:8.2f}{verdict}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
