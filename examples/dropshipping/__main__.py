"""Change at least 2,000 products in a burst, let the night come, compare: exit 1 for one missed.

python -m examples.dropshipping [--products 2500] [--changed 2000] [--keep FOLDER]
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from .shop import SECRET

PATIENCE_S = 120.0
LOOK_S = 0.1


class Service:
    """`hipflask serve` for one side, on a port of its own."""

    def __init__(self, app: str, port: int, folder: Path, environ: dict[str, str]) -> None:
        self.app, self.port = app, port
        self._log = folder / f"{app.rpartition('.')[2]}.log"
        self._environ = {**os.environ, **environ}

    def __enter__(self) -> Service:
        words = [*self._words, "serve", "--bind", f"127.0.0.1:{self.port}", "--drain-wait", "0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(words, env=self._environ, stdout=log, stderr=log)
        wait_for(lambda: self._answers(), f"{self.app} to answer; see {self._log}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait()

    def run(self, *words: str) -> str:
        """Run a command of the application; returns what it printed."""
        done = subprocess.run(
            [*self._words, *words], env=self._environ, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed: {done.stderr[-1000:]}")
        return done.stdout.strip()

    def ask(self, method: str, path: str, data: Any = None) -> Any:
        """One request with JSON in and out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            body = None if data is None else json.dumps(data)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status >= 400:
                raise SystemExit(f"{self.app} {path}: {answer.status} {content[:300]!r}")
            return json.loads(content)
        finally:
            connection.close()

    @property
    def _words(self) -> list[str]:
        return [sys.executable, "-m", "hipflask", "--app", self.app]

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise SystemExit(f"{self.app} did not start: {self._log.read_text()[-1000:]}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Look until it is so; ends the program if it takes too long."""
    over = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > over:
            raise SystemExit(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(LOOK_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def catalogue(supplier: Service) -> dict[str, dict[str, int]]:
    """The supplier's products: version, price and stock by SKU."""
    found: dict[str, dict[str, int]] = {}
    more = True
    while more:
        page = supplier.ask("GET", f"/products?limit=500&after={max(found, default='')}")
        more = page["more"]
        for one in page["products"]:
            found[one["sku"]] = {name: one[name] for name in ("version", "cents", "stock")}
    return found


def behind(supplier: Service, shop: Service) -> list[str]:
    """The products that the shop has not, or has otherwise."""
    ours = shop.ask("GET", "/products")
    return [sku for sku, one in catalogue(supplier).items() if ours.get(sku) != one]


def settled(shop: Service) -> None:
    """Wait until the shop has worked on all that it has received."""
    wait_for(
        lambda: shop.ask("GET", "/unfinished")["events"] == 0,
        "the shop to have worked on all that came",
    )


def burst(supplier: Service, changed: int, seed: int) -> dict[str, Any]:
    """Have that many products change, and show how far the webhooks are."""
    supplier.ask("POST", "/burst", {"products": changed, "seed": seed})
    found: dict[str, Any] = {}
    with click.progressbar(length=changed * 3 // 2, label="webhooks", show_pos=True) as bar:

        def is_done() -> bool:
            before = found.get("webhooks", 0) + found.get("dropped", 0)
            found.update(supplier.ask("GET", "/burst"))
            bar.update(found["webhooks"] + found["dropped"] - before)
            return bool(found["is_done"])

        wait_for(is_done, "the burst to end")
    return found


@contextlib.contextmanager
def both(folder: Path, products: int) -> Iterator[tuple[Service, Service]]:
    """The supplier and the shop, serving."""
    here, there = free_port(), free_port()
    environ = {
        "SUPPLIER_PRODUCTS": str(products),
        "SUPPLIER_SECRET": SECRET,
        "SUPPLIER_URL": f"http://127.0.0.1:{there}",
        "SHOP_HOOK": f"http://127.0.0.1:{here}/supplier",
        "SHOP_INBOX": f"sqlite:///{folder / 'shop.db'}",
    }
    shop = Service("examples.dropshipping.shop", here, folder, environ)
    shop.run("prepare")
    with Service("examples.dropshipping.supplier", there, folder, environ) as supplier, shop:
        yield supplier, shop


def run(folder: Path, products: int, changed: int, seed: int) -> int:
    """The whole story; prints the report and returns the exit code."""
    began = time.monotonic()
    with both(folder, products) as (supplier, shop):
        first = shop.run("reconcile")
        settled(shop)
        start = behind(supplier, shop)
        burst_began = time.monotonic()
        sent = burst(supplier, changed, seed)
        settled(shop)
        burst_s = time.monotonic() - burst_began
        missed = behind(supplier, shop)
        night = shop.run("reconcile")
        settled(shop)
        left = behind(supplier, shop)
    lines = [
        ("the catalogue", f"{products} products; first reading: {first}; behind {len(start)}"),
        (
            "products changed",
            f"{min(changed, products)}, {sent['changes']} changes, {burst_s:.1f} s",
        ),
        ("webhooks sent", f"{sent['webhooks']}, acknowledged {sent['acknowledged']}"),
        (
            "gone wrong on purpose",
            f"dropped {sent['dropped']}, sent twice {sent['duplicated']},"
            f" out of order {sent['reordered']}",
        ),
        ("given up by the supplier", str(sent["failed"])),
        ("behind after the burst", str(len(missed))),
        ("the night", night),
        ("missed", str(len(left))),
    ]
    print()
    for name, value in lines:
        print(f"{name:<26}{value}")
    print(f"{'took':<26}{time.monotonic() - began:.0f} s")
    return 1 if left or start else 0


def main() -> int:
    """Read the command line, run, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.dropshipping")
    parser.add_argument("--products", type=int, default=2500)
    parser.add_argument("--changed", type=int, default=2000, help="how many of them change")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for database and logs, which stays")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        return run(folder.resolve(), options.products, options.changed, options.seed)


if __name__ == "__main__":
    sys.exit(main())
