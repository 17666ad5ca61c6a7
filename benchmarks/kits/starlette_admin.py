"""starlette-admin, as its documentation begins."""

from __future__ import annotations

from sqlalchemy.orm import sessionmaker
from starlette.applications import Starlette
from starlette_admin.contrib.sqla import Admin, ModelView

from .model import Order, engine
from .rows import COLUMNS, PAGE


class Orders(ModelView):
    """The page."""

    fields = COLUMNS
    searchable_fields = ("customer",)
    page_size = PAGE


app = Starlette()
admin = Admin(sessionmaker(engine), title="Shop", secret_key="of a comparison, no secret")
admin.add_view(Orders(Order))
admin.mount_to(app)
