"""Calls to addresses that somebody else chose, in a network where every address is a trap.

    unshare --net --mount python -m tests.forward.netns       # as root; prints JSON

In the network namespace each address of IPv4 and IPv6 leads to this program, which notes where a
connection arrived. The names are answered by a resolver of its own, some of them differently
each time. What may be reached are two public addresses; anything else is a hit.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from itertools import cycle
from pathlib import Path
from tempfile import NamedTemporaryFile

from hipflask.forward import Client, Deadlines, Request

GOOD = {"93.184.216.34", "2606:4700::1111"}
PORTS = (80, 443, 8080)
RESOLVER = "127.0.0.53"
A, AAAA, CNAME = 1, 28, 5

# By name: what each further look-up is answered; a set of answers for each record type.
NAMES = {
    "shop.example": {A: cycle([["93.184.216.34"]])},
    "six.example": {AAAA: cycle([["2606:4700::1111"]])},
    "flip.example": {A: cycle([["93.184.216.34"], ["127.0.0.1"]])},
    "flop.example": {A: cycle([["10.0.0.1"], ["93.184.216.34"], ["169.254.169.254"]])},
    "half.example": {A: cycle([["93.184.216.34"]]), AAAA: cycle([["2606:4700::1111"], ["::1"]])},
    "both.example": {A: cycle([["93.184.216.34", "127.0.0.1"]])},
    "turn.example": {A: cycle([["127.0.0.1", "93.184.216.34"], ["93.184.216.34", "10.1.1.1"]])},
    "inside.example": {A: cycle([["10.0.0.1"]])},
    "clouds.example": {A: cycle([["169.254.169.254"]])},
    "mapped.example": {AAAA: cycle([["::ffff:127.0.0.1"]])},
    "nat64.example": {AAAA: cycle([["64:ff9b::7f00:1"]])},
    "sixtofour.example": {AAAA: cycle([["2002:7f00:1::"]])},
    "unique.example": {AAAA: cycle([["fd00:ec2::254"]])},
    "alias.example": {CNAME: cycle([["inside.example"]])},
    "none.example": {},
}
HOSTS = """
127.0.0.1 127.1 127.0.1 127.000.000.001 0127.0.0.1 2130706433 0x7f000001 0x7f.1 0x7F.0.0.1
0x7f.0x0.0x0.0x1 0177.0.0.1 0177.1 017700000001 00000177.0.0.1 127.0.0.1. 127.255.255.254
localhost LOCALHOST localhost. localhost.localdomain ip6-localhost 0 0.0.0.0 0x0 00000000
10.0.0.1 10.1 167772161 0xa000001 012.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 192.168.1
3232235521 100.64.0.1 169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518
198.18.0.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 100.100.100.200 168.63.129.16
[::1] [::] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::ffff:127.0.0.1]
[::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::ffff:169.254.169.254]
[::ffff:a9fe:a9fe] [fe80::1] [fe80::1%25lo] [fe80::1%lo] [fc00::1] [fd00::1] [fd00:ec2::254]
[ff02::1] [64:ff9b::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::]
[2002:a9fe:a9fe::] [2001:db8::1] [::1%251] [::10.0.0.1]
１２７.0.0.1 127。0。0。1 ①②⑦.⓪.⓪.① %31%32%37.0.0.1 127%2e0%2e0%2e1 ⓛocalhost 127.0.0.1%00
93.184.216.34@127.0.0.1 user:word@127.0.0.1 93.184.216.34:80@127.0.0.1 127.0.0.1%2f
127.0.0.1%23@93.184.216.34:8080 93.184.216.34%40127.0.0.1 shop.example%2f@127.0.0.1
inside.example INSIDE.example inside.example. clouds.example mapped.example nat64.example
sixtofour.example unique.example alias.example both.example turn.example none.example
shop.example.inside.example 127.0.0.1.none.example
""".split()
WHOLE = """
http://127.0.0.1#@93.184.216.34/ http://127.0.0.1\\@93.184.216.34:8080/ http:///127.0.0.1/
http://127.0.0.1?@93.184.216.34:8080/ http:127.0.0.1/ http:/127.0.0.1/ //127.0.0.1/
http://93.184.216.34\\@127.0.0.1/ http://[::1]@127.0.0.1/ http://shop.example:22/
http://shop.example:6379/ http://shop.example:8080/ http://shop.example:0/ file:///etc/passwd
gopher://127.0.0.1/ ftp://127.0.0.1/ unix:///run/docker.sock http://shop.example:99999/
""".split()
CHAINS = [
    "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
    "//127.0.0.1/", "http://inside.example/", "http://10.0.0.1:8080/", "http://2130706433/",
    "http://flip.example/", "http://shop.example/to?http://127.0.0.1/", "https://localhost/",
]  # fmt: skip


class Network:
    """Listens wherever somebody may be led to, and answers names."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        for port in PORTS:
            for family, every in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                listener = socket.socket(family, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((every, port))
                listener.listen(64)
                threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind((RESOLVER, 53))
        threading.Thread(target=self._answer_names, args=(names,), daemon=True).start()

    def hits(self) -> list[str]:
        return [each for each in self.arrived if each not in GOOD]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            # Noted before anything is answered, so that no call ends unnoticed.
            self.arrived.append(connection.getsockname()[0])
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            head = connection.recv(65536)
            target = head.partition(b" ")[2].partition(b" ")[0]
            _, is_led, to = target.partition(b"?")
            lines = b"302 Found\r\nLocation: " + to if is_led else b"200 OK"
            connection.sendall(b"HTTP/1.1 " + lines + b"\r\nContent-Length: 0\r\n\r\n")

    def _answer_names(self, names: socket.socket) -> None:
        while True:
            asked, client = names.recvfrom(4096)
            at, labels = 12, []
            while asked[at]:
                labels.append(asked[at + 1 : at + 1 + asked[at]].decode())
                at += 1 + asked[at]
            kind = struct.unpack("!H", asked[at + 1 : at + 3])[0]
            records = b"".join(_records(".".join(labels).lower(), kind))
            head = struct.pack("!2s5H", asked[:2], 0x8180, 1, records.count(b"\xc0\x0c"), 0, 0)
            names.sendto(head + asked[12 : at + 5] + records, client)


def _records(name: str, kind: int) -> list[bytes]:
    """The answers to a question, each a record that points at the question's name (0xc00c)."""
    known = NAMES.get(name, {})
    found = []
    if CNAME in known:
        other = next(known[CNAME])[0]
        words = b"".join(bytes([len(each)]) + each.encode() for each in other.split(".")) + b"\0"
        found.append(struct.pack("!2sHHIH", b"\xc0\x0c", CNAME, 1, 0, len(words)) + words)
        for record in _records(other, kind):
            found.append(words + record[2:])
        return found
    for address in next(known[kind]) if kind in known else []:
        packed = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, address)
        found.append(struct.pack("!2sHHIH", b"\xc0\x0c", kind, 1, 0, len(packed)) + packed)
    return found


def prepare() -> None:
    """Have every address lead here, and names be asked of `RESOLVER`. Changes this namespace."""
    for words in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(words.split(), check=True)
    with NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()


def ask(client: Client, url: str, reach: str = "public") -> str:
    """What became of a call: the status, or the word "refused"."""
    try:
        answer = client.send(Request("GET", url, reach=reach), Deadlines(5))
    except ValueError:  # no URL of HTTP
        return "refused"
    return "refused" if answer.status is None else str(answer.status)


def main() -> int:
    if len(socket.if_nameindex()) != 1:
        print("run it in a network namespace of its own", file=sys.stderr)
        return 2
    prepare()
    network = Network()
    client = Client()
    urls = [f"http://{host}/" for host in HOSTS]
    urls += [f"https://{host}:443/" for host in HOSTS[::4]] + WHOLE
    # Names that a resolver answers otherwise each time, and connections that end in between.
    turns = []
    for _ in range(20):
        for name in ("flip.example", "flop.example", "half.example", "both.example"):
            turns.append(ask(client, f"http://{name}/"))
    result = {
        # That the network is one where the guard's absence would be seen.
        "controls": [
            ask(client, "http://shop.example/"),
            ask(client, "http://six.example/"),
            ask(client, "http://93.184.216.34/"),
        ],
        "spellings": {url: ask(client, url) for url in urls},
        "turns": {each: turns.count(each) for each in sorted(set(turns))},
        "chains": [ask(client, f"http://shop.example/to?{to}") for to in CHAINS],
        "hits": network.hits(),
        "good": len(network.arrived) - len(network.hits()),
        "unguarded": [
            ask(client, "http://127.1/", "internal"),
            ask(client, "http://169.254.169.254/", "internal"),
            ask(client, "http://inside.example/", "internal"),
        ],
        "seen": len(network.hits()),
    }
    client.close()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
