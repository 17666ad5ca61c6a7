"""Fuzz examples/orders over HTTP with schemathesis: every check, good data and bad.

Serves the example with `hipflask serve` on a free port of 127.0.0.1, over a database of its own,
lets schemathesis make requests out of the document that the service gives, and counts in the
server's own log what arrived. Prints requests and failures; exits 1 for a failed check, an answer
of 500 or more, a request that nothing answered, or fewer requests than wanted.

`FAULT=1` plants a fault into the service, which must make this exit with 1. `--requests` and
`--examples` make it shorter or longer.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 10_000
#: Cases per operation and process; each is a request or more.
EXAMPLES = 420
SEED = 20261122
PATIENCE_S = 30.0
LIMIT_S = 1_200.0
# What this asks for itself.
OURS = ("/readyz", "/openapi.json")
CONFIG = """\
hooks = "{hooks}"
# The key goes with each request, and without it the checks know what to expect.
headers = {{ X-API-Key = "{key}" }}

[reports]
directory = "{folder}"

# As the check has it, and 413: that is how a file that is too large is refused.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
"""


def create_faulty_app() -> Any:
    """The example, answering in a way that its document does not declare."""
    from examples.orders import create_app
    from hipflask import Response, request

    app = create_app()

    @app.after_request
    def forget_the_number(response: Response) -> Response:
        if request.endpoint == "products.list_products" and response.status_code == 200:
            response.set_data(b'[{"sku": "mug-blue"}]')
        return response

    return app


def main() -> int:
    """Read the command line, fuzz, print the figures, return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/api_fuzz.py", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"default: {REQUESTS}")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"default: {EXAMPLES}")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    factory = "examples.orders:create_app"
    if os.environ.get("FAULT"):
        factory = "scripts.api_fuzz:create_faulty_app"
        print("FAULT: the service leaves fields out of an answer; checks must fail", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hipflask-api-fuzz-") as name:
        folder = Path(name)
        with serving(factory, folder) as port:
            code = fuzz(port, folder, options)
        found = Counter(statuses(folder / "server.log"))
    return report(code, found, options.requests, time.monotonic() - began)


@contextlib.contextmanager
def serving(factory: str, folder: Path) -> Iterator[int]:
    """Serve the application that `factory` makes on a free port; log into `folder`."""
    port = free_port()
    words = [sys.executable, "-m", "hipflask", "--app", factory, "serve", "--access-log"]
    words += ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--drain-wait", "0"]
    environment = with_root() | {"ORDERS_DATABASE": str(folder / "orders.db")}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait_for(port, process, folder / "server.log")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def with_root() -> dict[str, str]:
    """Return the environment of a process that is to find `examples`.

    Run by the tests, it does not measure coverage: that takes half as long again.
    """
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: each for name, each in os.environ.items() if not name.startswith("COVERAGE_")}
    return kept | {"PYTHONPATH": os.pathsep.join(path)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; SystemExit with its log when it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


def fuzz(port: int, folder: Path, options: argparse.Namespace) -> int:
    """Run schemathesis against the service; the greater of its exit codes.

    Twice at the same time, since one process is busy making requests up most of the time. What
    the second says, which makes up other values, is printed when the first has ended.
    """
    second = folder / "second.log"
    with second.open("wb") as log:
        running = [
            schemathesis(port, folder, options, "examples,coverage,fuzzing,stateful", 0, None),
            schemathesis(port, folder, options, "fuzzing,stateful", 1, log),
        ]
        deadline = time.monotonic() + LIMIT_S
        codes = []
        for process in running:
            try:
                codes.append(process.wait(max(0.1, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                print(f"schemathesis did not end within {LIMIT_S:.0f} s", flush=True)
                process.kill()
                codes.append(process.wait() or 1)
    print(f"\nThe second, with seed {options.seed + 1}:\n", flush=True)
    print(second.read_text(encoding="utf-8", errors="replace"), flush=True)
    return max(map(abs, codes))


def schemathesis(
    port: int, folder: Path, options: argparse.Namespace, phases: str, number: int, log: Any
) -> subprocess.Popen[bytes]:
    """Start schemathesis with a seed of its own."""
    from examples.orders.app import MANAGER_KEY

    config = folder / "schemathesis.toml"
    hooks = (ROOT / "scripts" / "api_fuzz_hooks.py").as_posix()
    config.write_text(CONFIG.format(hooks=hooks, key=MANAGER_KEY, folder=folder.as_posix()))
    words = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    words += [f"http://127.0.0.1:{port}/openapi.json", "--checks", "all", "--mode", "all"]
    words += ["--phases", phases, "--continue-on-failure", "--max-examples", str(options.examples)]
    words += ["--seed", str(options.seed + number), "--request-timeout", "30", "--no-color"]
    words += ["--generation-database", "none", "--output-truncate", "true"]
    return subprocess.Popen(
        words, cwd=folder, env=with_root(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )


def statuses(log: Path) -> Iterator[int]:
    """Yield the status of each request in the server's log, other than our own look at it."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith('{"time"'):
                continue
            told = json.loads(line)
            if told["logger"] == "hipflask.access" and told["path"] not in OURS:
                yield told["status"]


def report(code: int, found: Counter[int], wanted: int, took_s: float) -> int:
    """Print the figures, return the exit code."""
    requests, broken = found.total(), sum(n for status, n in found.items() if status >= 500)
    print("\nstatuses: " + ", ".join(f"{status}: {n}" for status, n in sorted(found.items())))
    print(f"requests: {requests} (at least {wanted} wanted), {took_s:.0f} s")
    print(f"failures: schemathesis {'none' if code == 0 else f'exited with {code}'}, 5xx {broken}")
    is_good = code == 0 and broken == 0 and requests >= wanted
    print("PASS" if is_good else "FAIL", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
