"""Who calls, as the proxy says; and nobody else."""

from __future__ import annotations

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import ProxyHeader, Refused, authenticated, current_identity


def identify(provider, address="10.0.0.5", **fields):
    environ = {"QUERY_STRING": "", "REMOTE_ADDR": address, **fields}
    return provider.identify(Flask(__name__).request_class(environ))


PROXY = ProxyHeader(peers=["10.0.0.5", "192.168.0.0/24", "fd00::/8"], roles_header="X-Groups")


def test_the_proxy_is_believed():
    known = identify(PROXY, HTTP_X_FORWARDED_USER="ada", HTTP_X_GROUPS="clerk, admin,")
    assert (known.name, known.roles) == ("ada", {"clerk", "admin"})
    assert identify(PROXY, "fd00::1", HTTP_X_FORWARDED_USER="ada").name == "ada"
    assert identify(PROXY, "::ffff:192.168.0.9", HTTP_X_FORWARDED_USER="ada").roles == set()
    name = "žofie".encode().decode("latin-1")
    assert identify(PROXY, HTTP_X_FORWARDED_USER=name).name == "žofie"


@pytest.mark.parametrize(
    "address", ["10.0.0.6", "::1", "", "unix", "nonsense", "10.0.0.5, 1.1.1.1"]
)
def test_nobody_else_is(address):
    assert identify(PROXY, address, HTTP_X_FORWARDED_USER="admin") is None


def test_without_the_field_nobody_is_known():
    assert identify(PROXY) is None
    assert identify(PROXY, HTTP_X_FORWARDED_USER="") is None


@pytest.mark.parametrize("value", ["ada,admin", "a" * 257, "ada\x00", "ada\x85"])
def test_a_field_the_proxy_cannot_have_set_is_refused(value):
    with pytest.raises(Refused):
        identify(PROXY, HTTP_X_FORWARDED_USER=value)


def test_a_unix_socket_is_a_peer_where_it_is_named():
    assert identify(ProxyHeader(peers="unix"), "", HTTP_X_FORWARDED_USER="ada").name == "ada"


@pytest.mark.parametrize("peers", [[], ["0.0.0.0/0"], ["::/0"], ["proxy.local"]])
def test_peers_must_be_addresses_and_not_everybody(peers):
    with pytest.raises(SetupError, match="ProxyHeader"):
        ProxyHeader(peers=peers)


def test_behind_proxy_fix_it_is_still_the_peer_that_counts():
    app = Flask(__name__)
    app.identities = [ProxyHeader(peers=["127.0.0.1"])]
    app.access = authenticated
    app.add_url_rule("/", view_func=lambda: current_identity().name)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    fields = {"X-Forwarded-User": "ada", "X-Forwarded-For": "127.0.0.1"}
    client = app.test_client()
    assert client.get("/", headers=fields).text == "ada"
    outside = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/", headers=fields, environ_overrides=outside).status_code == 401
