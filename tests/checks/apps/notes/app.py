"""Everything in one file, nobody logs in."""

import sqlite3

from hipflask import Flask, request
from hipflask.checks import reads_body
from hipflask.guards import protect
from hipflask.security import public

app = Flask(__name__)
app.config["TESTING"] = True  # C03
protect(app)


def connect():
    db = sqlite3.connect(":memory:")
    db.execute("create table note (text)")
    return db


@app.get("/", access=public)
def index():
    return {"notes": [row[0] for row in connect().execute("select text from note")]}


@app.get("/export")
def export():  # A01
    return {"notes": []}


@app.post("/notes", access=public)
def add():  # R01
    connect().execute("insert into note values (?)", [request.get_json()["text"]])
    return "", 201


@app.put("/notes", access=public)
@reads_body("raw")
def replace():
    return "", 204


def fetch(url):
    import requests

    return requests.get(url).text  # O03
