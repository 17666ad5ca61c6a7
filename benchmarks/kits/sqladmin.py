"""sqladmin, as its documentation begins."""

from __future__ import annotations

import sqladmin
from starlette.applications import Starlette

from .model import Order, engine
from .rows import COLUMNS, PAGE


class Orders(sqladmin.ModelView, model=Order):
    """The page."""

    column_list = COLUMNS
    column_searchable_list = ("customer",)
    column_default_sort = "id"
    page_size = PAGE


app = Starlette()
sqladmin.Admin(app, engine).add_view(Orders)
