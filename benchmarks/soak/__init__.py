"""`make soak`: serves a sample app with `hipflask serve` and has production happen to it.

`faults.py`, `busy.py`, `chunks.py`, `mixed.py` and `views.py` say what is done and which figures
must hold, `client.py` is the clients, `server.py` the server's processes as seen from outside,
`app.py` the app, `null.py` one that does nothing, `report.py` what is printed. Linux only: it reads
/proc. Everything is on 127.0.0.1, bounded in number and time, and every process is stopped by
its pid.
"""
