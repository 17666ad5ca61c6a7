"""The store below inbox, outbox and tools: SQLite in a file, or PostgreSQL by its URL.

from hipflask.database import open_database

database = open_database("sqlite:///hipflask.db")
with database.begin() as connection:
    connection.exec_driver_sql("...")
"""

from .clock import Boot as Boot
from .clock import Clock as Clock
from .clock import ManualClock as ManualClock
from .clock import SystemClock as SystemClock
from .engine import Database as Database
from .engine import open_database as open_database
from .errors import Fenced as Fenced
from .errors import StoreUnavailable as StoreUnavailable
from .queue import Queue as Queue
from .rows import Bucket as Bucket
from .rows import Claimed as Claimed
from .rows import LaneFigures as LaneFigures
from .rows import Limits as Limits
from .rows import Move as Move
from .rows import Query as Query
from .rows import ReadyRow as ReadyRow
from .rows import Row as Row
from .rows import Swept as Swept
from .states import ACTIVE as ACTIVE
from .states import FINISHED as FINISHED
from .states import UNFINISHED as UNFINISHED
from .states import Dead as Dead
from .states import Done as Done
from .states import Ending as Ending
from .states import Filtered as Filtered
from .states import Retry as Retry
from .states import State as State
from .states import WhenDead as WhenDead
