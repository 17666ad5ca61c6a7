"""Internal tools: a team's own data as tables and forms, for those who have a role.

from hipflask.tools import Tool

ops = Tool(app, "ops", data="sqlite:///shop.db")
orders = ops.table("orders", read="support", search=["customer"], filters=["status"])
"""

from ..api.inputs.uploads import Upload as Upload
from ..api.marks import Accepts as Accepts
from ..settings.model import Secret as Secret
from .actions import Action as Action
from .actions import Cancelled as Cancelled
from .actions import Run as Run
from .fields import Multiline as Multiline
from .fields import Text as Text
from .forms import Form as Form
from .forms import form_of as form_of
from .rows import Row as Row
from .rows import key_of as key_of
from .rows import version_of as version_of
from .table import Listing as Listing
from .table import Table as Table
from .tool import Tool as Tool
