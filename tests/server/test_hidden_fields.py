"""Fields whose values are not ASCII, which Granian names and does not give: they count."""

from __future__ import annotations

import http.client

import pytest

from .process import PATIENCE_S

APP = """
import os
from hipflask import Flask, request
from hipflask.guards import trust_proxies

app = Flask(__name__)
app.config["TRUSTED_HOSTS"] = ["127.0.0.1"]
trust_proxies(app, ["127.0.0.1"])

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/")
async def index():
    return request.remote_addr
"""


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_a_value_that_is_not_ascii_is_not_taken_for_none(folder, served, interface):
    (folder / "app.py").write_text(APP)
    server = served(interface=interface)

    def ask(**fields):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    assert ask(X_Forwarded_For="192.0.2.1") == (200, b"192.0.2.1")
    # As a proxy passes it on that adds the address to what the client sent.
    assert ask(X_Forwarded_For=b"\xff, 192.0.2.1")[0] == (200 if interface == "asgi" else 400)
    assert ask(X_Forwarded_For=b"\xff")[0] == 400
    assert ask(X_Forwarded_Proto=b"\xff")[0] == 400
    assert ask(Host=b"\xff")[0] == 400
