"""One old service, shadowed on five routes by different new ones; served by `shadowing`."""

import os

from hipflask import Flask
from hipflask.forward import Destination, add_reports, strangle
from hipflask.security import public

app = Flask(__name__)
old = Destination("old", url=os.environ["OLD"], timeout_s=30)


def route(name: str, **options: object) -> None:
    new = Destination(name, url=os.environ.get(name.upper(), "http://127.0.0.1:9"), timeout_s=30)
    strangle(app, f"/{name}/<int:id>", old=old, new=new, name=name, **options)


route("plain")
route("well", shadow=100)
route("dead", shadow=100)
route("slow", shadow=100)
route("changed", shadow=100, most=64)
add_reports(app, access=public)
