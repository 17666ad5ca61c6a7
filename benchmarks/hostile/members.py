"""An app with what keeps people apart: a login page, guards, stored sessions, keys of requests.

Its store is at `HIPFLASK_DATABASE_URL`. `HOSTILE_FREE` are the failures that cost an address
nothing; with `HOSTILE_PROXY` the client's address is what a proxy on this machine says it is.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated, Any

from sqlalchemy import Connection, text
from werkzeug.wrappers import Response

from benchmarks.soak import app as soaked
from hipflask import Blueprint, Flask, request, session
from hipflask.api import Provide
from hipflask.database import open_database
from hipflask.guards import cors, inflates_body, protect, rate_limit, trust_proxies
from hipflask.security import (
    Identity,
    Throttle,
    add_login,
    authenticated,
    current_identity,
    hash_password,
    public,
    redirect_local,
    stored_passwords,
)
from hipflask.state import Idempotent, StoredSessions, transaction

from .servers import PARTNER, PASSWORD, RATE

app = Flask(__name__)
app.config.update(
    SECRET_KEY="only for these batteries, and no secret",
    TRUSTED_HOSTS=["127.0.0.1", "localhost"],
    MAX_INFLATED_BYTES=1 << 20,
)
app.access = public
if os.environ.get("HOSTILE_PROXY"):
    trust_proxies(app, ["127.0.0.1"])
protect(app)
database = open_database()
app.session_interface = StoredSessions(database)
users = {"ada": (hash_password(PASSWORD), Identity("ada"))}
free = int(os.environ.get("HOSTILE_FREE", "1000000"))
add_login(
    app,
    check=stored_passwords(users.get),
    after="/me",
    throttle=Throttle(database, account_free=free, address_free=free),
)
app.before_request(soaked.begin)
app.teardown_request(soaked.end)
if os.environ.get("SOAK_FAULT"):
    app.before_request(soaked.leak)
for path, view in (
    ("/plain", soaked.plain),
    ("/async", soaked.on_the_loop),
    ("/pid", soaked.pid),
    ("/inside", soaked.inside),
):
    app.add_url_rule(path, view_func=view)
with database.begin() as connection:
    connection.execute(text("CREATE TABLE IF NOT EXISTS bought (name TEXT)"))


@app.get("/reads")
def reads() -> str:
    with database.read():
        time.sleep(0.05)
    with database.begin():  # the writer's lock is a file, too
        return "read"


@app.get("/me", access=authenticated)
def me() -> str:
    return current_identity().name


@app.get("/next")
def go_next() -> Response:
    return redirect_local(request.args.get("next"))


@app.post("/write")
def write() -> str:
    return "written"


@app.post("/limited")
@rate_limit(f"{RATE}/minute")
def limited() -> str:
    return request.remote_addr or ""


@app.post("/inflated")
@inflates_body
def inflated() -> str:
    return str(len(request.get_data()))


@app.post("/put/<name>")
def put(name: str) -> dict[str, Any]:
    session[name] = 1
    return dict(session)


@app.post("/put-async/<name>")
async def put_async(name: str) -> dict[str, Any]:
    session[name] = 1
    return dict(session)


@app.get("/items")
def items() -> dict[str, Any]:
    return dict(session)


@app.post("/buy", idempotent=Idempotent(lease_s=5, database=database))
def buy(tx: Annotated[Connection, Provide(transaction)]) -> dict[str, Any]:
    name = request.get_data(as_text=True)
    tx.execute(text("INSERT INTO bought VALUES (:name)"), {"name": name})
    return {"bought": name}


@app.post("/pay", idempotent=Idempotent(required=True, lease_s=5, database=database))
async def pay() -> dict[str, Any]:
    await asyncio.sleep(0.01)
    return {"paid": request.get_data(as_text=True)}


@app.get("/bought")
def bought() -> dict[str, int]:
    with database.read() as connection:
        found = connection.execute(text("SELECT name, count(*) FROM bought GROUP BY name"))
        return dict(found.tuples().all())


partner = Blueprint("partner", __name__, url_prefix="/partner")
partner.access = public
cors(partner, origins=[PARTNER], credentials=True)


@partner.route("/orders", methods=["GET", "POST"])
def orders() -> str:
    return "orders"


app.register_blueprint(partner)
