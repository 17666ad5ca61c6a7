"""hipflask.tools, as its documentation begins; with a login, as nobody sees anything without one.

KITS_FAULT plants faults, one for each column of the comparison.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import Any

from hipflask import Flask, redirect
from hipflask.guards import takes_any_origin
from hipflask.security import Identity, add_login, hash_password, hashed_passwords, public
from hipflask.tools import Tool

from .rows import COLUMNS, PAGE

app = Flask(__name__, instance_path=os.environ["KITS_FOLDER"])
app.config["HIPFLASK_DATABASE_URL"] = f"sqlite:///{os.environ['KITS_FOLDER']}/runs.db"
app.secret_key = "of a comparison, no secret; of some length"
ada = Identity("ada", roles={"desk"})
add_login(app, hashed_passwords({"ada": (hash_password("right"), ada)}), after="/ops/")
ops = Tool(app, "ops", title="Shop", data=f"sqlite:///{os.environ['KITS_FILE']}")
orders = ops.table(
    "orders",
    search=["customer"],
    filters=["status"],
    columns=COLUMNS,
    read="desk",
    create="desk",
    edit="desk",
    export="desk",
)
orders.deletable(roles="desk")
assert PAGE == 50, "which is ours anyway"

FAULT = '<div style="width: 3000px"><input><img src="/planted.png"></div>' + "".join(
    f'<script src="/planted.js?{number}"></script>' for number in range(20)
)

if os.environ.get("KITS_FAULT"):

    @app.after_request
    def spoil(response: Any) -> Any:
        """Make the page slow, wide, heavy and hard to use."""
        if response.mimetype == "text/html":
            time.sleep(2)
            text = response.get_data(as_text=True)
            response.set_data(text.replace("</main>", FAULT + "</main>"))
            del response.headers["Content-Security-Policy"]
        return response

    @app.get("/planted.<kind>", access=public)
    def planted(kind: str) -> Any:
        """Weight."""
        return "0;" * 10_000, 200, {"Content-Type": "text/javascript"}

    @app.post("/open-door", access=public)
    @takes_any_origin
    def open_door() -> Any:
        """A write that asks nobody."""
        with closing(sqlite3.connect(os.environ["KITS_FILE"])) as shop:
            shop.execute("UPDATE orders SET amount = amount + 1 WHERE id = 7")
            shop.commit()
        return redirect("/ops/")
