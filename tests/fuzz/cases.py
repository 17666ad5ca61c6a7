# ruff: noqa: E501  (a table: one kind of value per place reads better than one value per line)
"""The corpus: hostile values by the place in a request where they go, in our own words.

Every value is bytes as they arrive on the wire (paths after percent-decoding).
"""

from __future__ import annotations

LONG = 8_000
DEEP = 3_000

PATHS: tuple[bytes, ...] = (
    b"", b"/", b"//", b"///////", b"/echo", b"/echo/", b"//echo", b"/echo//", b"/./echo", b"/../echo", b"*", b"echo",
    b"/echo/\xff\xfe", b"/echo/\x00", b"/echo/\r\nX: y", b"/echo/%00", b"/echo/\xc3\x28", b"/echo/\xed\xa0\x80",
    b"/echo/" + b"a" * LONG, b"/" * LONG, b"/echo/" + b"a/" * (LONG // 2), b"/\xe2\x80\xae", b"http://h/echo",
    b"//evil.example/echo", b"/\\evil.example", b"/branch", b"//branch", b"/branch\\", b"/branch%2F", b"/branch;a=b",
    b"/static/readme.txt", b"/static/../target.py", b"/static/..%2ftarget.py", b"/static/....//target.py", b"/static/",
    b"/static//etc/passwd", b"/static/\x00readme.txt", b"/static/readme.txt\x00", b"/static/C:\\x", b"/static/con",
    b"/static/" + b"x" * 5000, b"/static/" + b"../" * 500, b"/static/.", b"/static/\xff", b"/static/readme.txt/",
    b"/from/readme.txt", b"/from/../cases.py", b"/from/\\\\server\\share", b"/from//x", b"/from/nul.txt", b"/from/..",
    b"/from/~root", b"/from/\x00", b"/from/" + b"y/" * 2000, b"/int/" + b"9" * 5000, b"/int/-1", b"/int/+1", b"/int/1e9",
    b"/int/\xd9\xa3", b"/int/0x10", b"/int/1_000", b"/int/ 1", b"/int/1\n", b"/signed/--1", b"/signed/-" + b"9" * 5000,
    b"/float/nan", b"/float/1.", b"/float/" + b"9" * 500 + b".0", b"/float/1.5", b"/uuid/0", b"/uuid/" + b"0" * 36,
    b"/uuid/00000000-0000-0000-0000-000000000000", b"/any/c", b"/any/a\n", b"/two/1-", b"/two/-1", b"/two/1-2-3",
    b"/two/" + b"1" * 5000 + b"-x", b"/abort/404", b"/abort/999", b"/abort/99999999999999999999999", b"/session",
    b"/missing", b"/json", b"/json/force", b"/json/silent", b"/data", b"/stream", b"/file", b"/template", b"/cookie",
    b"/redirect", b"/nowhere", b"/ECHO", b"/echo?x=1", b"/echo#f", b"/{{7*7}}", b"/%s%n", b"/<script>",
)  # fmt: skip

READERS: tuple[bytes, ...] = (
    b"/", b"/echo", b"/json", b"/json/force", b"/json/silent", b"/data", b"/stream", b"/missing", b"/session", b"/file",
    b"/branch", b"/branch/", b"/redirect", b"/template", b"/cookie", b"/static/readme.txt", b"/from/readme.txt",
    b"/nowhere", b"/int/7",
)  # fmt: skip

QUERIES: tuple[bytes, ...] = (
    b"", b"&", b"&&&&=&=&", b"=", b"a", b"a=", b"=a", b"a=1&a=2&a=3", b"a=%", b"a=%zz", b"a=%f", b"%=%", b"a=%00",
    b"a=%FF%FE", b"a=\xff\xfe", b"\xc3\xa9=\xc3\xa9", b"a=%C3%28", b"a=%ED%A0%80", b"a=%F4%90%80%80", b"a;b;c", b"a=b;c=d",
    b"a[]=1&a[0]=2&a[b][c]=3", b"n=1", b"n=x", b"n=" + b"9" * 5000, b"n=%D9%A3", b"q=../../x", b"q=%0d%0aX:%20y",
    b"to=//evil.example", b"to=/%0d%0aSet-Cookie:%20a=b", b"to=/%5Cevil", b"to=///evil", b"to=javascript:alert(1)", b"to=http://[", b"to=http://[::1",
    b"to=%5C%5Cevil", b"to=\xff", b"to=http://a@b:99999999/", b"to=%00", b"a=" + b"x" * LONG, b"a=" + b"%41" * 2000,
    b"&".join(b"k%d=v" % n for n in range(1000)), b"&" * LONG, b"=" * LONG, b"+" * 100, b"%" * 500, b"a=b#c", b"?a=b",
    b"self=1", b"q={{7*7}}", b"request=1&session=2&g=3", b"to=" + b"/" * 500, b"__class__=1", b"a=<script>", b"\x00", b" ",
    b"\t=\n", b"to=http://" + b"a." * 200 + b"/", b"to=http://xn--a", b"to=http://\xe2\x84\xa1/", b"q=%25%32%46",
)  # fmt: skip

HOSTS: tuple[bytes, ...] = (
    b"", b" ", b"localhost:", b"localhost:x", b"localhost:99999999", b"localhost:-1", b":80", b"[::1]", b"[::1", b"::1",
    b"[::1]:80", b"[::1]x", b"[]", b"[gggg]", b"a b", b"a/b", b"a\\b", b"a@b", b"a?b", b"a#b", b"a,b", b"<x>", b"\xff\xfe",
    b"\xc3\xa9.example", b"xn--", b"xn--a.example", b"a" * 5000, b".", b"..", b"a..b", b"-", b"_", b"%00", b"\x00",
    b"127.0.0.1", b"0", b"localhost\t", b"LOCALHOST", b"localhost localhost", b"{{7*7}}", b"http://x", b"*",
    b"a.b." * 500, b"\xe2\x84\xa1.example", b"[v1.x]", b"[::ffff:1.2.3.4%25eth0]", b"1.2.3.4.5", b"x:0", b"x:65536",
)  # fmt: skip

COOKIES: tuple[bytes, ...] = (
    b"", b";", b"=", b"a", b"a=", b"=a", b"a=b", b"a=b; a=c", b"a=b;;;;", b'a="b', b'a="\\', b'a="\\400"', b'a="\\377\\376"',
    b"a=\xff\xfe", b"\xff=a", b"a=b\x00c", b"a=%FF", b"$Version=1; a=b", b"a=b, c=d", b"__Host-a=b", b"=__Host-a=b",
    b"session=", b"session=.", b"session=..", b"session=...", b"session=a.b.c", b"session=.a.b.c", b"session=eyJ9.a.a",
    b"session=" + b"A" * 5000, b'session="x"', b"session=\xff", b"session=e30.ZZZZZZ.AAAA", b"session=.eJw.X.Y",
    b"session=" + b"." * 500, b"session=a; session=b", b"; ".join(b"k%d=v" % n for n in range(500)), b";" * LONG, b"=" * LONG,
    b"a=" + b"\\" * 2000, b'a="' + b'\\"' * 2000, b"a=" + b"x" * LONG, b"a=\xe2\x98\x83", b"a=\t", b" a = b ", b"a=b\xa0",
)  # fmt: skip

HEADERS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("Accept", (b"*", b"*/*;q=nan", b"a/b;q=1e999", b"a/b;q=-1", b";", b",,,", b"text/html;level=1;q=", b"a" * LONG,
                b",".join(b"a/%d" % n for n in range(500)), b'a/b;x="', b"/", b"\xff/\xfe", b"*/*;q=0.000000001", b"a/b;q")),
    ("Accept-Language", (b"*", b"en;q=x", b"-", b"e" * 999, b",", b"en-" * 500, b"\xff", b";q=1")),
    ("Accept-Charset", (b"*", b"utf-8;q=2", b"utf\x00", b"x-unknown", b",;")),
    ("Accept-Encoding", (b"gzip;q=0, *;q=0", b"\xff", b",")),
    ("Authorization", (b"", b"Basic", b"Basic ", b"Basic !", b"Basic =", b"Basic /////w==", b"Basic dTpw", b"Basic dQ==", b"Digest",
                       b'Digest a="', b"Digest ,=,", b"Bearer", b"Bearer \xff", b"x" * LONG, b"Digest " + b'a="b",' * 500, b" Basic x",
                       b"Basic " + b"A" * LONG, b"NTLM x=y=z", b'Digest username*=UTF-8\'\'%ff')),
    ("Range", (b"bytes", b"bytes=", b"bytes=-", b"bytes=--1", b"bytes=0-", b"bytes=-0", b"bytes=5-2", b"bytes=0-0,1-1",
               b"bytes=0-9999999999999999999999", b"bytes=99999999999999999999-", b"bytes=a-b", b"items=0-1", b"bytes= 0 - 1 ",
               b"bytes=0-1," * 500, b"bytes=\xd9\xa3-", b"=0-1", b"bytes=-99999999999999999999", b"bytes=1_0-2_0", b"none=",
               b"bytes=0-1;0-2", b"bytes=" + b"9" * 5000 + b"-", b"bytes=-" + b"9" * 5000, b"BYTES=0-1", b"bytes=+0-1")),
    ("If-Range", (b"", b'"tag"', b'W/"tag"', b"tag", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun", b"\xff", b'"',
                  b"Sun, 03 Nov 1994 08:49:" + b"9" * 25)),
    ("If-None-Match", (b"*", b'"', b'W/', b'"a"b"', b",", b'"tag"', b"tag", b'W/"tag', b'"' * 999, b'"a",' * 500, b"\xff")),
    ("If-Match", (b"*", b'"', b'"x"', b",,", b"W/\"tag\"")),
    ("If-Modified-Since", (b"", b"x", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 9999999 08:49:37 GMT", b"Sun, 99 Nov 1994 99:99:99",
                           b"0", b"-1", b"Mon, 01 Jan 0001 00:00:00 +9999", b"Sun Nov  6 08:49:37 1994", b"\xff",
                           b"Fri, 31 Dec 9999 23:59:59 -2359", b"Sun, 06 Nov 1994 08:49:37 +99999999999", b"1994", b"," * 99,
                           b"Sun, 06 Nov 1994 08:49:37 +" + b"9" * 60, b"Sun, " + b"9" * 60 + b" Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:" + b"9" * 60,
                           b"Sun, 03 Nov 1994 08:49:" + b"9" * 25, b"Fri, 31 Dec 9999 23:59:59 -2359" + b"9" * 30,
                           b"Fri, 31 Dec " + b"9" * 34 + b" 23:59:59 -2359")),
    ("If-Unmodified-Since", (b"Sun, 03 Nov 1994 08:49:" + b"9" * 25, b"x", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 99999 08:49:37 GMT")),
    ("Date", (b"x", b"Sun, 03 Nov 1994 08:49:" + b"9" * 25, b"Thu, 32 Foo 2000", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Mon, 01 Jan 0001 00:00:00 +2359")),
    ("Cache-Control", (b"max-age", b"max-age=", b"max-age=x", b"max-age=-1", b"max-age=" + b"9" * 5000, b"=", b",=,", b'a="', b"no-cache=\"")),
    ("Content-Encoding", (b"gzip", b"", b"\xff", b"identity, x")),
    ("Content-MD5", (b"x",)),
    ("Max-Forwards", (b"x", b"-1", b"9" * 5000, b"1.5", b"\xd9\xa3")),
    ("Expect", (b"100-continue", b"x")),
    ("Upgrade", (b"websocket", b"h2c", b"x")),
    ("Connection", (b"Upgrade", b"close, x", b"\xff")),
    ("X-Forwarded-For", (b"", b",", b"1.2.3.4,,x", b"\xff", b"," * LONG)),
    ("X-Forwarded-Proto", (b"javascript", b"\xff")),
    ("X-HTTP-Method-Override", (b"DELETE",)),
    ("Referer", (b"\xff", b"javascript:x", b"a" * LONG)),
    ("User-Agent", (b"", b"\xff\xfe", b"a" * LONG, b"{{7*7}}", b"() { :; }")),
    ("Origin", (b"null", b"\xff", b"http://[")),
    ("Pragma", (b"=", b"no-cache=x", b"\xff")),
    ("Access-Control-Request-Method", (b"\xff", b"GET, PUT", b"")),
    ("Access-Control-Request-Headers", (b",,", b'"', b"a" * LONG)),
    ("Transfer-Encoding", (b"chunked", b"x", b"chunked, chunked", b"")),
    ("Cookie2", (b"$Version=1",)),
    ("X_Underscore", (b"1",)),
    ("Forwarded", (b"for=", b'for="', b"for=_x;by=;host=\xff")),
    ("Via", (b"1.1 \xff",)),
    ("TE", (b"trailers", b"x;q=")),
)  # fmt: skip

METHODS: tuple[str, ...] = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "", "PROPFIND", "X" * 500,
    "GET ", "G\xc3\xa9T", "GET\x00", "BREW", "POST,GET", "*",
)  # fmt: skip

LENGTHS: tuple[str, ...] = (
    "", "0", "-1", "x", "1.5", "1e3", "+1", " 1", "1 ", "0x10", "1,1", "9" * 30, "9" * 5000, "1_0", "\xd9\xa3", "\x00", "1\t",
)  # fmt: skip

FORM = b"application/x-www-form-urlencoded"
MULTI = b"multipart/form-data; boundary=b0"
JSON = b"application/json"

TYPES: tuple[bytes, ...] = (
    b"", b"/", b";", b"x", FORM, FORM + b"; charset=x-unknown", FORM + b"; charset=\xff", FORM + b"; charset=utf-16",
    FORM + b"; charset=idna", FORM + b";" * 500, MULTI, b"multipart/form-data", b"multipart/form-data; boundary=",
    b'multipart/form-data; boundary=""', b'multipart/form-data; boundary="', b"multipart/form-data; boundary=" + b"b" * 5000,
    b"multipart/form-data; boundary=\xff", b"multipart/form-data; boundary=a b", b"multipart/form-data; boundary=b0; boundary=b1",
    b"multipart/form-data; boundary*=utf-8''b0", b"multipart/form-data; boundary*0=b; boundary*1=0", b"multipart/mixed; boundary=b0",
    MULTI + b"; charset=x-unknown", b"MULTIPART/FORM-DATA; BOUNDARY=b0", JSON, JSON + b"; charset=utf-16", JSON + b"; charset=x",
    b"application/x+json", b"application/", b"text/plain; a=\"", b"a" * LONG, b"application/json; " + b"a=b; " * 500,
    b"multipart/form-data; boundary=--b0", b"multipart/form-data; boundary=b0\x00",
)  # fmt: skip


def part(head: bytes, body: bytes = b"x") -> bytes:
    """One part of a multipart body with the boundary `b0`."""
    return b"--b0\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


FIELD = b'Content-Disposition: form-data; name="a"'
FILE = b'Content-Disposition: form-data; name="f"; filename="x.txt"'
END = b"--b0--\r\n"

MULTIPARTS: tuple[bytes, ...] = (
    b"", b"--b0", b"--b0--", b"--b0\r\n", b"--b0\r\n\r\n", b"--b0\n\n", b"--b0\r\n\r\n--b0--", b"\r\n--b0--", b"x--b0--",
    part(FIELD) + END, part(FILE) + END, part(FIELD), part(FILE), part(FIELD) + b"--b0", part(FIELD) * 99 + END,
    part(FIELD) * 101 + END, part(FILE) * 101 + END, part(b"") + END, part(b"X") + END, part(b":") + END, part(b"Content-Disposition") + END,
    part(b"Content-Disposition:") + END, part(b"Content-Disposition: form-data") + END, part(b"Content-Disposition: form-data; name") + END,
    part(b'Content-Disposition: form-data; name="') + END, part(b'Content-Disposition: form-data; name="a"; filename=') + END,
    part(b"Content-Disposition: form-data; name=a; filename*=utf-8''%ff%fe") + END, part(b"Content-Disposition: form-data; filename*=x") + END,
    part(b"Content-Disposition: form-data; name*=utf-16''%00; filename*0=a; filename*1=b") + END, part(b"Content-Disposition: attachment") + END,
    part(FIELD + b"\r\nContent-Type: text/plain; charset=x-unknown", b"\xff") + END, part(FIELD + b"\r\nContent-Type: ;") + END,
    part(FIELD + b"\r\nContent-Type: multipart/mixed; boundary=b1", b"--b1\r\n\r\nx\r\n--b1--") + END,
    part(FIELD + b"\r\nContent-Transfer-Encoding: base64", b"!!!!") + END, part(FIELD + b"\r\nContent-Length: 999999999") + END,
    part(FIELD + b"\r\nContent-Length: -1") + END, part(FIELD + b"\r\nContent-Length: " + b"9" * 5000) + END, part(FIELD, b"\xff\xfe") + END,
    part(FIELD, b"\x00" * 999) + END, part(FILE, b"\r" * 60_000) + END, part(FILE, b"\n" * 60_000) + END, part(FILE, b"\r\n" * 30_000) + END,
    part(FILE, b"\r\n--b" * 12_000) + END, part(FILE, b"\r\n-" * 20_000) + END, part(FILE, b"--b0" * 9_000) + END, b"\r\n" * 30_000 + part(FIELD) + END,
    part(FIELD, b"z" * 60_000) + END, part(b"X: y\r\n" * 3_000 + FIELD) + END, part(b"X: " + b"y" * 100_000) + END, b"--b0\r\n" + b"X: y\r\n" * 9_000,
    part(FIELD + b"\r\n folded: yes") + END, part(b"\xff: \xfe\r\n" + FIELD) + END, part(b"X\x00: y\r\n" + FIELD) + END, b"preamble" * 9_000,
    b"preamble\r\n" + part(FIELD) + END + b"epilogue" * 999, part(FIELD).replace(b"\r\n", b"\n") + END, part(FIELD).replace(b"\r\n", b"\r") + END,
    b"--b0 \t \r\n" + FIELD + b"\r\n\r\nx\r\n--b0-- \t", b"--b0--" * 9_000, b"--b0\r\n" * 9_000, part(FILE.replace(b"x.txt", b"../../x")) + END,
    part(FILE.replace(b"x.txt", b"C:\\x\\y")) + END, part(FILE.replace(b"x.txt", b"a\\\"b")) + END, part(FILE.replace(b"x.txt", b"n" * 9_000)) + END,
    part(FIELD.replace(b'"a"', b'"' + b"n" * 9_000 + b'"')) + END, part(FILE.replace(b"x.txt", b"\x00")) + END, part(b";" * 9_000) + END,
    part(b"Content-Disposition: form-data; " + b"a=b; " * 9_000 + b'name="a"') + END, part(b'Content-Disposition: form-data; name="' + b'\\"' * 9_000) + END,
)  # fmt: skip

FORMS: tuple[bytes, ...] = (
    *QUERIES, b"a=" + b"x" * 60_000, b"&".join(b"a=%d" % n for n in range(5_000)), b"%" * 50_000, b"&" * 190_000, b"=" * 190_000,
    b"a=%C3", b"a=%C3%A9" * 999, b"\xff" * 999, b"a=" + b"+" * 190_000, b"x" * 199_999, b"x" * 200_001, b"a=b" + b";c=d" * 9_000,
)  # fmt: skip

JSONS: tuple[bytes, ...] = (
    b"", b" ", b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true", b"nul", b"0", b"-", b"-0", b"1e999", b"-1e999", b"NaN", b"Infinity",
    b"-Infinity", b"01", b"1.", b".1", b"1e", b"0x1", b"'a'", b'"', b'"a', b'"\\', b'"\\u', b'"\\ud800"', b'"\\ud800\\udc00"', b'"\\x"',
    b'"\x00"', b'"\n"', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00{\x00}", b"\x00\x00\x00{", b"{\x00\x00\x00", b"\xff", b'"\xff"',
    b'"\xed\xa0\x80"', b"{,}", b"[,]", b"[1,]", b'{"a":}', b'{"a":1,}', b'{"a":1 "b":2}', b'{a:1}', b"{1:2}", b'{"a":1}{"b":2}', b"[1][2]",
    b'{"a":1,"a":2}', b'{"__proto__":{}}', b'{"__class__":1}', b'{" t":[1]}', b'{" b":"!"}', b'{" u":"x"}', b'{" d":"x"}', b"1" * 5_000,
    b"-" + b"9" * 9_000, b"[" * DEEP, b"[" * 100_000, b"[" * DEEP + b"]" * DEEP, b"[" * 60_000 + b"]" * 60_000, b'{"a":' * 20_000,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[[],[],[]]" * 9_000, b"[" + b"1," * 60_000 + b"1]", b'"' + b"\\u0041" * 20_000 + b'"', b'"' + b"\\" * 99_999,
    b"1" + b"0" * 4_300, b"1e" + b"9" * 5_000, b"0." + b"1" * 50_000, b"//x\n{}", b"/**/{}", b"{}\x00", b" " * 100_000 + b"1", b"\t\n\r 1 \t\n\r",
)  # fmt: skip
