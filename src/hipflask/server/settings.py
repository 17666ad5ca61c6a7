"""How a worker serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How a worker serves. Everything here can be sent to another process."""

    interface: str = "rsgi"
    threads: int = 32
    #: How many calls wait for a thread before more are refused.
    queue: int = 128
    max_in_work: int = 1000
    #: Seconds until a request that was not answered is given up; 0 for never.
    request_timeout_s: float = 0.0
    backpressure: int = 1024
    http: str = "auto"
    tls: tuple[str, str] | None = None
    #: A line a request, in the form that the app's `LOGS` says unless it is to be text.
    access_log: bool = False
    log_text: bool = False
    log_to: str = "stdout"
    log_query: bool = False
    #: Whether what is logged otherwise is written in the same form.
    logs: bool = False
    #: After SIGTERM newcomers are served for `drain_s`, then what is in work has `grace_s`.
    drain_s: float = 0.0
    grace_s: float = 10.0
    #: Whether clients that are there are told not to come back before connections are closed.
    lingers: bool = False
    #: Requests, and seconds, after which a worker is replaced; 0 for never.
    max_requests: int = 0
    max_lifetime_s: float = 0.0
    many: bool = False
    #: Paths of the probes; "" for none.
    livez: str = ""
    readyz: str = ""
    #: Whether requests are counted by route.
    counts: bool = False
    #: Path of the figures, "" for none; whose token opens it, and the supervisor's socket.
    metrics: str = ""
    metrics_token: str = ""
    ops_bind: str = ""
    ops_socket: str = ""
    watches_loop: bool = False
