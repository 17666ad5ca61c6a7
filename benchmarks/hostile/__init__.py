"""`make hostile`: serves an app with `hipflask serve` and others, and sends what no client should.

`app.py` is the app, `inbox.py` one that keeps webhooks and `members.py` one that people log in to;
`servers.py` the servers, `wire.py` one exchange in bytes, `asking.py` one with `members.py`,
`report.py` what is counted. Each battery is a module: `malformed.py` (its cases in
malformed.txt), `cut.py`, `oversize.py`, `leaving.py`, `sockets.py`, `http2.py`, `store.py`,
`restoring.py`, `clocks.py`, `heads.py`, `logins.py`, `guarding.py`, `state.py`, `ops.py`,
`proxies.py`; slow clients, floods, kills and misbehaving views are the soak's. Linux only, on
127.0.0.1 alone; every process is stopped by its pid.
"""
