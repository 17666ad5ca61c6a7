"""A tool whose people a proxy logs in, under real servers: nobody gets in beside the proxy."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from tests.server.conftest import folder, launch, served  # noqa: F401 (fixtures)
from tests.server.process import PATIENCE_S

# One proxy is on another machine, one on this; `trusted` believes the latter's X-Forwarded-For.
APP = """
import os

from hipflask import Flask
from hipflask.guards import trust_proxies
from hipflask.security import ProxyHeader
from hipflask.tools import Tool

app = Flask(__name__)
app.identities = [
    ProxyHeader("X-Far-User", peers=["10.0.0.5"], roles_header="X-Roles", name="far"),
    ProxyHeader("X-Near-User", peers=["127.0.0.1"], roles_header="X-Roles", name="near"),
]
if os.environ.get("TRUSTED"):
    trust_proxies(app, ["127.0.0.1"])
ops = Tool(app, "ops", data="sqlite://", store="sqlite:///store.db", workers=0)
ops.table([{"id": 1, "note": "for the desk"}], name="orders", read="support")
"""
ROLES = ("X-Roles", "support")
FAR, NEAR = ("X-Far-User", "sue"), ("X-Near-User", "sue")
#: What somebody may send who reaches the service beside the far proxy.
DIRECT = [
    [FAR],
    [FAR, ("X-Forwarded-For", "10.0.0.5")],
    [FAR, ("X-Forwarded-For", "10.0.0.5, 127.0.0.1")],
    [FAR, ("X-Real-IP", "10.0.0.5")],
    [FAR, ("Forwarded", "for=10.0.0.5")],
    [("X_Far_User", "sue"), ("X-Forwarded-For", "10.0.0.5")],
]
#: What the near proxy cannot have sent, had it removed what it was sent.
ODD = [
    [NEAR, NEAR],
    [NEAR, ("X-Near-User", "max")],
    [NEAR, ("x-near-user", "max")],
    [("X-Near-User", "sue,max")],
    [("X_Near_User", "sue")],
    [("X_Near-User", "sue")],
    [("X-Near-User", "")],
    [("X-Near-User ", "sue")],
]


def ask(port: int, *fields: tuple[str, str]) -> tuple[int, str]:
    """Status and text of the list, asked for with these fields as they are."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        wire.putrequest("GET", "/ops/tables/orders")
        for name, value in fields:
            # Not `putheader`, which knows what a name is.
            wire._buffer.append(f"{name}: {value}".encode())  # type: ignore[attr-defined]
        wire.endheaders()
        answer = wire.getresponse()
        return answer.status, answer.read().decode()
    finally:
        wire.close()


@pytest.mark.parametrize(("interface", "trusted"), [("rsgi", ""), ("rsgi", "1"), ("asgi", "1")])
def test_only_the_proxy_is_believed(
    folder: Any,  # noqa: F811
    served: Any,  # noqa: F811
    interface: str,
    trusted: str,
) -> None:
    (folder / "app.py").write_text(APP)
    port = served({"TRUSTED": trusted}, interface=interface).port
    status, page = ask(port, NEAR, ROLES)
    assert status == 200 and "for the desk" in page
    for fields in [[], *DIRECT, *ODD]:
        status, page = ask(port, *fields, ROLES)
        assert status in (400, 401), (fields, status)
        assert "for the desk" not in page
    # What is spelled otherwise is nobody, not even beside the name that is right.
    for beside in (("X_Near_User", "max"), ("X_Roles", "lead")):
        assert ask(port, NEAR, beside, ROLES)[0] == 200
    assert ask(port, NEAR, ("X_Roles", "support"))[0] == 403
