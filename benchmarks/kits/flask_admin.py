"""Flask-Admin, as its documentation begins."""

from __future__ import annotations

import flask_admin
from flask import Flask
from flask_admin.contrib.sqla import ModelView
from sqlalchemy.orm import scoped_session, sessionmaker

from .model import Order, engine
from .rows import COLUMNS, PAGE


class Orders(ModelView):
    """The page."""

    column_list = COLUMNS
    column_searchable_list = ("customer",)
    column_filters = ("status",)
    column_default_sort = "id"
    page_size = PAGE


session = scoped_session(sessionmaker(engine))
app = Flask(__name__)
app.secret_key = "of a comparison, no secret"
flask_admin.Admin(app, name="Shop").add_view(Orders(Order, session, endpoint="orders"))
app.teardown_appcontext(lambda error: session.remove())
