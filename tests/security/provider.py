"""A little OpenID provider, over real sockets, that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "shop", "the client's secret, of some length"


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider(ThreadingHTTPServer):
    """What it signs, knows and answers; tests change its attributes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}/realm"
        self.keys = [RSAKey.generate_key(2048, {"kid": "one"})]
        self.secret = SECRET
        self.codes = {}
        self.asked = []
        #: Changes to the ID token's claims; None takes one out.
        self.claims = {}
        #: Makes the ID token of its claims, in place of signing it.
        self.sign = self.signed
        #: Changes to the discovery document.
        self.document = {}
        #: path -> what answers in place of us: gets the handler.
        self.instead = {}
        self.sends_iss = True

    def signed(self, claims):
        key = self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    def unsigned(self, claims):
        """`alg: none`, with nothing behind the last dot."""
        parts = (json.dumps({"alg": "none"}), json.dumps(claims))
        return ".".join(unpadded(part.encode()) for part in parts) + "."

    def signed_with_secret(self, claims):
        """A MAC under what an attacker may know or guess: the key that is public."""
        parts = (json.dumps({"alg": "HS256", "kid": "one"}), json.dumps(claims))
        signed = ".".join(unpadded(part.encode()) for part in parts)
        public = self.keys[-1].as_pem(private=False)
        return f"{signed}.{unpadded(hmac.digest(public, signed.encode(), 'sha256'))}"

    def signed_by_another(self, claims):
        key = RSAKey.generate_key(2048, {"kid": "one"})
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    def rotate(self, kid):
        self.keys = [RSAKey.generate_key(2048, {"kid": kid})]

    def metadata(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout?realm=shop",
            "authorization_response_iss_parameter_supported": True,
            **self.document,
        }

    def id_token(self, begun, access_token):
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "u-17", "exp": now + 60, "iat": now,
            "nonce": begun["nonce"], "at_hash": unpadded(half), "name": "Ada",
            "email": "a@b.example", "roles": ["clerk"], **self.claims,
        }  # fmt: skip
        return self.sign({name: value for name, value in claims.items() if value is not None})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        provider = self.server
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/realm")
        provider.asked.append(path)
        if path in provider.instead:
            provider.instead[path](self)
        elif path == "/.well-known/openid-configuration":
            self.send(provider.metadata())
        elif path == "/jwks":
            self.send({"keys": [key.as_dict(private=False) for key in provider.keys]})
        elif path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = secrets.token_urlsafe(16)
            provider.codes[code] = asked
            back = {"code": code, "state": asked["state"]}
            if provider.sends_iss:
                back["iss"] = provider.issuer
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send({}, 404)

    def do_POST(self):
        provider = self.server
        path = urlsplit(self.path).path.removeprefix("/realm")
        provider.asked.append(path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if path in provider.instead:
            provider.instead[path](self)
            return
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        begun = provider.codes.pop(sent.get("code", ""), None)
        if not self.is_client(sent):
            self.send({"error": "invalid_client"}, 401)
        elif (
            begun is None
            or sent.get("redirect_uri") != begun["redirect_uri"]
            or begun["code_challenge_method"] != "S256"
            or create_s256_code_challenge(sent.get("code_verifier", "")) != begun["code_challenge"]
        ):
            self.send({"error": "invalid_grant"}, 400)
        else:
            access_token = secrets.token_urlsafe(16)
            self.send(
                {
                    "access_token": access_token,
                    "token_type": "Bearer",
                    "expires_in": 60,
                    "id_token": provider.id_token(begun, access_token),
                }
            )

    def is_client(self, sent):
        if self.server.secret is None:
            return sent.get("client_id") == CLIENT
        if "token_endpoint_auth_methods_supported" in self.server.document:
            return (sent.get("client_id"), sent.get("client_secret")) == (CLIENT, SECRET)
        pair = base64.b64encode(f"{CLIENT}:{self.server.secret}".encode()).decode()
        return self.headers["Authorization"] == f"Basic {pair}"

    def send(self, document, status=200):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given):
        pass


@contextmanager
def running(server):
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(url):
    """Where a browser is sent that asks for a URL of the provider."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        return answer.headers["Location"]
    finally:
        connection.close()
