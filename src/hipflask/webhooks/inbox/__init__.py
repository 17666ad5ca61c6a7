"""Inbox and outbox: two queues in one database, written in one transaction."""

from .outbox import Outbox as Outbox
from .rows import Arrival as Arrival
from .rows import Attempt as Attempt
from .rows import Backlog as Backlog
from .rows import Headers as Headers
from .rows import InboxRow as InboxRow
from .rows import Kind as Kind
from .rows import OutboxRow as OutboxRow
from .rows import Outgoing as Outgoing
from .rows import Receipt as Receipt
from .store import Inbox as Inbox
from .transaction import Transaction as Transaction
