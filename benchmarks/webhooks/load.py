"""Loads: wrk for as much as goes, and senders by the clock for a steady rate."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ..soak.report import percentile
from .events import Maker, write_standard
from .wire import Cut, Wire

BODIES = 64
# Each line of the file is one event; the bodies are its first lines. `sent` is asked for last.
SCRIPT = """
local thread_ = nil
setup = function(thread) thread_ = thread end
init = function(args)
  file = io.open(args[1], "r")
  bodies, sent, asked = {}, 0, true
  for n = 1, tonumber(args[2]) do
    bodies[n] = file:read("*l"):gsub("..", function(c) return string.char(tonumber(c, 16)) end)
  end
end
request = function()
  local line = file:read("*l")
  if line == nil then
    wrk.thread:stop()
    return "GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n"
  end
  local id, time, signature, body = line:match("(%S+) (%S+) (%S+) (%S+)")
  body = bodies[tonumber(body)]
  sent = sent + 1
  return "POST /orders HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nContent-Type: application/json\\r\\n"
    .. "webhook-id: " .. id .. "\\r\\nwebhook-timestamp: " .. time
    .. "\\r\\nwebhook-signature: " .. signature
    .. "\\r\\nContent-Length: " .. #body .. "\\r\\n\\r\\n" .. body
end
done = function(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"wrong":%d,"broken":%d,"sent":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.status, e.connect + e.read + e.write + e.timeout,
    thread_:get("sent")))
end
"""


@dataclass(frozen=True)
class Seen:
    """What a load met with."""

    acks: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def acks_s(self) -> float:
        return self.acks / self.seconds


class NotMeasured(Exception):
    """A load did not go as it must; says why."""


def write_events(path: Path, count: int, seed: int) -> None:
    """Sign so many events into a file for `run_wrk`."""
    with path.open("wb") as file:
        file.writelines(write_standard(count, BODIES, seed))


def run_wrk(folder: Path, port: int, events: Path, seconds: int, connections: int) -> Seen:
    """As many events as are answered within so long; each of the file at most once."""
    script = folder / "events.lua"
    script.write_text(SCRIPT)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    words += ["-s", str(script), f"http://127.0.0.1:{port}/", "--", str(events), str(BODIES)]
    core = sorted(os.sched_getaffinity(0))[-1]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            break
    else:
        raise NotMeasured(f"wrk said: {done.stdout[-200:]} {done.stderr[-200:]}")
    if found["requests"] > found["sent"]:
        raise NotMeasured(f"{found['sent']} signed events were too few for {seconds} s")
    return Seen(
        found["requests"] - found["wrong"],
        found["seconds"],
        found["p50_ms"],
        found["p99_ms"],
        found["wrong"] + found["broken"],
    )


async def run_steadily(port: int, maker: Maker, rate_s: float, seconds: float) -> Seen:
    """So many events a second by the clock, whatever the answers; time counts from when each
    was due, so that a stall is felt by all that were due in it."""
    count = int(rate_s * seconds)
    events = [maker.standard() for _ in range(count)]
    idle: list[Wire] = []
    times: list[float] = []
    failed = 0

    async def one(wire_bytes: bytes, due: float) -> None:
        nonlocal failed
        try:
            wire = idle.pop() if idle else await Wire.open(port)
            status = await wire.ask(wire_bytes)
        except Cut:
            failed += 1
            return
        if 200 <= status < 300:
            times.append(time.perf_counter() - due)
        else:
            failed += 1
        if wire.is_open:
            idle.append(wire)

    began = time.perf_counter()
    running: set[asyncio.Task[None]] = set()
    for number, event in enumerate(events):
        due = began + number / rate_s
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(event.wire, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    took = time.perf_counter() - began
    for wire in idle:
        wire.close()
    p50, p99 = percentile(times, 0.5) * 1000, percentile(times, 0.99) * 1000
    return Seen(len(times), took, p50, p99, failed)
