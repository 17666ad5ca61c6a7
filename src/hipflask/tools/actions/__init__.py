"""Actions: functions that are planned before they run, approved, audited and undone.

@orders.action(roles="support", approve="lead", limit=50, undo_for="24h")
def refund(run: Run, row: Row, amount: Decimal) -> None:
    "Refund an order."
    run.do(f"refund {amount} on {row.id}", pay.refund, row.id, amount, undo=(pay.cancel, row.id))
"""

from .declaring import Action as Action
from .declaring import declare as declare
from .planning import PlanError as PlanError
from .run import Cancelled as Cancelled
from .run import Run as Run
