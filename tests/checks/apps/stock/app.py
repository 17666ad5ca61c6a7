"""A typed API in a package with a configuration object."""

import os

import msgspec
from werkzeug.exceptions import HTTPException

from hipflask import Flask, abort
from hipflask.api import operation
from hipflask.guards import protect
from hipflask.security import ApiKey, hashed_keys, roles


class Config:
    SECRET_KEY = None
    STOCK_PAGE = os.environ.get("STOCK_PAGE", "20")  # C02
    SQLALCHEMY_DATABASE_URI = "postgresql://stock@localhost/stock"  # O01: no readiness check


class Part(msgspec.Struct):
    name: str
    amount: int


def create_app():
    app = Flask(__name__)
    app.config.from_object(Config)
    app.identities = [ApiKey(hashed_keys({}))]
    app.access = roles("clerk")
    protect(app)

    @app.get("/parts/<int:number>")
    def show(number: int) -> Part:
        if number > 100:
            abort(404)
        return Part("bolt", number)

    @app.post("/parts")
    def add(part: Part) -> Part:
        return part

    @app.get("/old")
    @operation(sunset="2020-01-01")
    def old() -> Part:  # R04
        return Part("nut", 1)

    @app.errorhandler(HTTPException)
    def as_page(error):  # R02
        return f"<h1>{error.code}</h1>", error.code

    return app
