"""Which addresses a call may go to."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("httpx2")

from hipflask.forward import Client, Deadlines, Destination, Request
from hipflask.forward.answers import Failure
from hipflask.forward.reach import guarding, look_up, plain, refusal
from hipflask.scaffold import SetupError

# How an address of ours can be written, and others that no caller may choose.
INSIDE = """
127.0.0.1 127.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.0.1
100.64.0.1 0.0.0.0 0.1.2.3 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
240.0.0.1 255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::10.0.0.1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1:: 100.100.100.200
2001:0:4136:e378:8000:63bf:3fff:fdd2 168.63.129.16
""".split()
OUTSIDE = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]
CREDENTIALS = ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"]
CREDENTIALS += ["64:ff9b::a9fe:a9fe", "168.63.129.16", "100.100.100.200", "2002:a9fe:a9fe::"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_others_choose_is_public_or_refused(address):
    found = plain(address)
    if found.is_global and address.startswith("2001:0:"):
        pytest.skip("a public address inside")
    assert refusal(address, 443, "public") is not None, found


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_may_be_called_at_its_usual_ports(address):
    assert refusal(address, 443, "public") is None
    assert refusal(address, 80, "public") is None
    for port in (22, 25, 6379, 8080):
        assert refusal(address, port, "public") is not None


@pytest.mark.parametrize("address", CREDENTIALS)
def test_credentials_of_clouds_are_refused_even_where_an_operator_named_the_host(address):
    assert refusal(address, 80, "named") is not None
    assert refusal(address, 80, "internal") is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "fc00::1", "192.168.0.9"])
def test_an_operator_may_name_private_addresses(address):
    assert refusal(address, 8080, "named") is None


class Trap(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/inside")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def trap():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trap)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


SPELLINGS = """
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0x7f.0x0.0x0.0x1
localhost LOCALHOST localhost. [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] 0.0.0.0 0 [::]
127.255.255.254 [0:0:0:0:0:0:0:1] [::127.0.0.1] [0:0:0:0:0:ffff:127.0.0.1]
127.0.0.1. 0127.0.0.1 00000177.0.0.1
""".split()


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_our_own_address_is_connected_to(trap, host):
    client = Client()
    request = Request("GET", f"http://{host}:{trap.server_port}/", reach="public")
    answer = client.send(request, Deadlines(5))
    assert answer.status is None or answer.failure is not None
    assert answer.failure is Failure.CONNECT, answer
    assert trap.seen == []
    client.close()


def test_redirects_are_not_followed(trap):
    client = Client()
    answer = client.send(Request("GET", f"http://127.0.0.1:{trap.server_port}/away"), Deadlines(5))
    assert answer.status == 302 and trap.seen == ["/away"]
    client.close()


class Inner:
    """Stands in for the network: notes where a connection would have gone."""

    def __init__(self):
        self.called = []

    async def connect_tcp(self, host, port, timeout=None, **options):
        self.called.append((host, port))
        return "stream"


class Pool:
    def __init__(self):
        self._network_backend = Inner()


def connect(reach, answers, host="shop.example", port=443):
    pool = Pool()
    inner = pool._network_backend
    looked = []

    async def answer(name, number):
        looked.append(name)
        return answers.pop(0)

    guarding(pool, reach, answer)
    backend = pool._network_backend
    return inner, looked, lambda: asyncio.run(backend.connect_tcp(host, port, timeout=5))


def test_a_name_is_looked_up_once_and_the_judged_address_is_connected_to():
    inner, looked, call = connect("public", [["93.184.216.34"], ["127.0.0.1"]])
    assert call() == "stream"
    assert inner.called == [("93.184.216.34", 443)] and looked == ["shop.example"]


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["fe80::1%lo", "1.1.1.1"], []]
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_answers(answers):
    import httpcore2

    inner, _, call = connect("public", [answers])
    with pytest.raises(httpcore2.ConnectError):
        call()
    assert inner.called == []


def test_a_reach_that_is_none_is_told():
    with pytest.raises(SetupError, match="reach='all'"):
        Destination("x", url="http://shop.example", reach="all")


def test_each_call_of_a_destination_has_its_reach(trap):
    url = f"http://127.0.0.1:{trap.server_port}"
    client = Client()
    inside = Destination("a", url=url)
    # A connection that one made is not used by the other.
    assert client.send(inside.get("/one"), inside.deadlines).status == 200
    outside = Destination("b", url=url, reach="public")
    assert client.send(outside.get("/two"), outside.deadlines).failure is Failure.CONNECT
    assert trap.seen == ["/one"]
    client.close()


def test_look_up_gives_each_address_once():
    assert "127.0.0.1" in asyncio.run(look_up("127.0.0.1", 80))
    found = asyncio.run(look_up("localhost", 80))
    assert len(found) == len(set(found)) > 0
