"""From prototype to service: the stage a project is at, and what follows from it.

    from hipflask.stages import declare

    declare(app)

has an application keep to the stage of `[tool.hipflask]` in its pyproject.toml. The commands
`fit`, `new`, `check`, `assess`, `conventions` and `promote` lead from stage to stage.
"""

from .declaring import Overdue as Overdue
from .declaring import declare as declare
from .declaring import stage_of as stage_of
from .record import RecordError as RecordError
from .record import StageRecord as StageRecord
from .record import read_record as read_record
from .sunset import Sunset as Sunset
