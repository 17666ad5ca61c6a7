"""Does what a page's reader would do: saves its files, runs its programs and its commands.

Commands run in one folder per page. A command that serves keeps running until the page ends,
or another one serves the same address; it gets a free port, and the address that the page
names stands for that port in what follows.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .blocks import Block, Command, begins_as_shown, is_as_shown, parse_commands

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60

# `make demo` without the installing, which is what this test runs in.
INSTEAD = {"make demo": f"{shlex.quote(sys.executable)} -m examples.demo"}
# Program, the word that makes it serve, the address it then serves, the option that says so.
SERVERS = (
    ("hipflask", "run", "127.0.0.1:5000", ("--port", "-p")),
    ("flask", "run", "127.0.0.1:5000", ("--port", "-p")),
    ("hipflask", "serve", "127.0.0.1:8000", ("--bind", "-b")),
    ("gunicorn", "gunicorn", "127.0.0.1:8000", ("--bind", "-b")),
    ("uvicorn", "uvicorn", "127.0.0.1:8000", ("--port",)),
    ("examples.demo", "examples.demo", "127.0.0.1:8000", ("--bind",)),
)

# What makes it a command like any other: it ends by itself.
_NOT_SERVING = {"--help", "--check", "||", "|"}

# Runs a list of [line, text, whether it is a session with >>>] in one namespace.
PIECES = """
import doctest, json, sys

namespace = {"__name__": "__main__"}
failed = False
for line, text, is_session in json.load(sys.stdin):
    if is_session:
        test = doctest.DocTestParser().get_doctest(text, {}, "the block", "page", line - 1)
        test.globs = namespace
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        failed |= bool(runner.run(test, clear_globs=False).failed)
    else:
        exec(compile("\\n" * (line - 1) + text, "page", "exec"), namespace)
sys.exit(failed)
"""


class ReaderError(Exception):
    """The page said something else than what happened."""


@dataclass
class _Server:
    process: subprocess.Popen[str]
    log: Path
    port: int

    def stop(self) -> None:
        """Stop as Ctrl-C does; ReaderError if that takes long or leaves an exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
        if code:
            raise ReaderError(f"the server ended with exit code {code}:\n{self.log.read_text()}")


@dataclass
class Reader:
    """Reads one page in `folder`; use it as a context manager, so that servers are stopped."""

    folder: Path
    _pieces: list[tuple[int, str, bool]] = field(default_factory=list)
    _servers: dict[str, _Server] = field(default_factory=dict)
    _environ: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Reader:
        scripts = os.path.dirname(sys.executable)
        ours = ("FLASK_", "HIPFLASK_", "COV_", "PYTEST_", "SECRET_KEY")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self._environ = {**kept, "PATH": os.pathsep.join([scripts, kept.get("PATH", "")])}
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.ExitStack() as stack:
            for server in self._servers.values():
                stack.callback(server.stop)

    def read(self, block: Block) -> None:
        """Do what one block says; ReaderError where something else comes out."""
        file = block.marks.get("file")
        if file:
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if "skip" in block.marks:
            return
        if block.language == "python":
            self._run_python(block, file)
        elif block.language == "console":
            for command in parse_commands(block):
                self._run_command(command)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "ini":
            configparser.ConfigParser(strict=False).read_string(block.text)
        elif block.language != "text" and not file:
            raise ReaderError(
                f"line {block.line}: nobody knows how to try a block of {block.language!r};"
                " say how, or give it a <!-- skip: reason -->"
            )

    def _run_python(self, block: Block, file: str | None) -> None:
        if file:
            module = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            self._python(["-c", f"import {module}"], block)
            return
        if "continues" not in block.marks:
            self._pieces.clear()
        self._pieces.append((block.line, block.text, block.text.startswith(">>> ")))
        self._python(["-c", PIECES], block, json.dumps(self._pieces))

    def _python(self, words: list[str], block: Block, given: str = "") -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", *words],
            cwd=self.folder,
            env=self._environ,
            input=given,
            text=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            raise ReaderError(f"line {block.line}: the code failed\n{done.stdout}{done.stderr}")

    def _run_command(self, command: Command) -> None:
        text = INSTEAD.get(command.text, command.text)
        words = shlex.split(text)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._environ[name] = self._ports(value)
            return
        for program, sign, address, options in SERVERS:
            if program in words and sign in words and not _NOT_SERVING.intersection(words):
                self._serve(command, words, address, options)
                return
        done = subprocess.run(
            ["sh", "-c", self._ports(text)],
            cwd=self.folder,
            env=self._environ,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )
        printed = self._as_on_page(done.stdout)
        if done.returncode:
            raise ReaderError(
                f"line {command.line}: {command.text!r} ended with exit code"
                f" {done.returncode}:\n{printed}"
            )
        if command.shown and not is_as_shown(printed, command.shown):
            raise ReaderError(
                f"line {command.line}: {command.text!r} printed something else:\n{printed}"
            )

    def _serve(
        self, command: Command, words: list[str], address: str, options: tuple[str, ...]
    ) -> None:
        kept: list[str] = []
        rest = iter(words)
        for word in rest:
            if word in options:
                value = next(rest)
                address = value if ":" in value else f"127.0.0.1:{value}"
            else:
                kept.append(word)
        host, _, port = address.rpartition(":")
        address = f"127.0.0.1:{port}"
        if before := self._servers.pop(address, None):
            before.stop()
        # The same one again, as others may have been told of it.
        free = before.port if before else _free_port()
        kept += [options[0], str(free) if options[0] == "--port" else f"{host}:{free}"]
        log = self.folder / f"server-{command.line}.log"
        environ = dict(self._environ)
        while "=" in kept[0]:
            name, _, value = kept.pop(0).partition("=")
            environ[name] = value
        with log.open("w") as output:
            process = subprocess.Popen(
                kept,
                cwd=ROOT if "examples.demo" in kept else self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        server = self._servers[address] = _Server(process, log, free)
        for _ in _until_deadline():
            printed = self._as_on_page(log.read_text())
            if process.poll() is not None:
                raise ReaderError(f"line {command.line}: {command.text!r} ended:\n{printed}")
            if not _answers(server.port):
                continue
            if begins_as_shown(printed, command.shown):
                return
        raise ReaderError(f"line {command.line}: {command.text!r} printed\n{printed}")

    def _ports(self, text: str) -> str:
        for address, server in self._servers.items():
            text = text.replace(address, f"127.0.0.1:{server.port}")
            text = text.replace(
                address.replace("127.0.0.1", "localhost"), f"localhost:{server.port}"
            )
        return text

    def _as_on_page(self, printed: str) -> str:
        for address, server in self._servers.items():
            printed = printed.replace(f"127.0.0.1:{server.port}", address)
        return printed.replace(str(self.folder), "/home/you/shop")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _until_deadline() -> Iterator[None]:
    """Turns of a loop that waits for another process, a few dozen a second."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        yield
        time.sleep(0.03)
