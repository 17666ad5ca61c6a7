"""wrk: puts a load on a server from a core of its own and says what came back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .servers import Server, ServerError
from .workloads import Call, Workload

#: wrk makes the requests once and sends them in turn.
SCRIPT = """
local calls, at = {{}}, 0
init = function(args)
  calls = {{ {calls} }}
end
request = function()
  at = at % #calls + 1
  return calls[at]
end
done = function(summary, latency)
  local e = summary.errors
  print(string.format(
    '{{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"wrong":%d,"broken":%d}}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
"""
_PLAIN = set(b" !#$%&'()*+,-./:;<=>?@[]^_`{|}~") | {
    number for number in range(128) if chr(number).isalnum()
}


@dataclass(frozen=True)
class Seen:
    """What one load met with; `cpu_us` is the server's per request."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    wrong: int
    broken: int
    cpu_us: float = 0.0

    @property
    def requests_s(self) -> float:
        return self.requests / self.seconds


class Load:
    """Loads servers from one core; the scripts are kept in `folder`."""

    def __init__(self, folder: Path, core: int) -> None:
        self._folder, self._core = folder, core

    def run(self, server: Server, workload: Workload, seconds: int, connections: int) -> Seen:
        """Put the workload on for so long; raises ServerError if it was not answered rightly."""
        before = server.cpu_s()
        found = self._wrk(server, workload, seconds, connections)
        used = server.cpu_s() - before
        server.check()
        if not found["requests"]:
            raise ServerError(f"no answer to {connections} connections within {seconds} s")
        if found["wrong"]:
            raise ServerError(f"{found['wrong']} wrong answers: {server.last_words()}")
        if found["broken"] > connections:
            raise ServerError(f"{found['broken']} broken connections: {server.last_words()}")
        return Seen(**found, cpu_us=used / found["requests"] * 1e6)

    def _wrk(self, server: Server, workload: Workload, seconds: int, connections: int) -> Found:
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        words += ["-s", str(self._script(workload)), f"http://127.0.0.1:{server.port}/"]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
        )
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                found: Found = json.loads(line)
                return found
        server.check()
        raise ServerError(f"wrk said: {done.stdout[-200:]} {done.stderr[-200:]}")

    def _script(self, workload: Workload) -> Path:
        path = self._folder / f"{workload.name}.lua"
        if not path.exists():
            path.write_text(dump_script(workload.calls), encoding="ascii")
        return path


Found = dict[str, int]


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def choose_cores() -> tuple[int, int]:
    """Return a core for the server and another for the load, if there is another."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def dump_script(calls: Iterable[Call]) -> str:
    """Return the program by which wrk sends these requests in turn."""
    made = []
    for call in calls:
        fields = ",".join(
            f"[{dump_lua(name.encode())}]={dump_lua(value.encode())}"
            for name, value in call.headers
        )
        body = dump_lua(call.body) if call.body else "nil"
        target = dump_lua(call.target.encode())
        made.append(f'wrk.format("{call.method}",{target},{{{fields}}},{body})')
    return SCRIPT.format(calls=",\n".join(made))


def dump_lua(content: bytes) -> str:
    """Return the bytes as a string of Lua."""
    return '"' + "".join(chr(one) if one in _PLAIN else f"\\{one:03d}" for one in content) + '"'
