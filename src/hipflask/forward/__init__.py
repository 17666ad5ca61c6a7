"""Send a call or a request on: deadlines, retries, a breaker; a proxy, a canary, a shadow.

from hipflask.forward import Destination, attempt

ledger = Destination("ledger", env="LEDGER_URL", timeout_s=5, retries="5s..24h")
"""

from .answers import Answer as Answer
from .answers import Failure as Failure
from .answers import Kind as Kind
from .answers import Outcome as Outcome
from .answers import SendFailure as SendFailure
from .answers import classify as classify
from .answers import parse_retry_after as parse_retry_after
from .attempts import Attempt as Attempt
from .attempts import attempt as attempt
from .breaker import Admission as Admission
from .breaker import Breaker as Breaker
from .breaker import BreakerState as BreakerState
from .client import Client as Client
from .client import default_client as default_client
from .clock import Clock as Clock
from .clock import WallClock as WallClock
from .compare import Compare as Compare
from .compare import Seen as Seen
from .deadlines import Deadlines as Deadlines
from .destination import Destination as Destination
from .keys import idempotency_key as idempotency_key
from .paths import UnsafePath as UnsafePath
from .paths import join_path as join_path
from .proxy import Proxy as Proxy
from .proxy import proxy as proxy
from .report import Report as Report
from .report import StageReport as StageReport
from .report import add_reports as add_reports
from .report import dump_report as dump_report
from .report import report_of as report_of
from .request import Request as Request
from .rollout import Limits as Limits
from .rollout import Rollout as Rollout
from .rollout import Settings as Settings
from .schedule import Schedule as Schedule
from .shared import MemoryShared as MemoryShared
from .shared import Shared as Shared
from .strangler import Strangler as Strangler
from .strangler import strangle as strangle
from .strangler import stranglers_of as stranglers_of
