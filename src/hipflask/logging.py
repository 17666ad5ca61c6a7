"""The application's logger and where its messages go."""

from __future__ import annotations

import logging
import sys
import typing as t

from werkzeug.local import LocalProxy

from .globals import _cv_request
from .globals import request as request  # an accidental name others import from here

if t.TYPE_CHECKING:
    from .typing import Application


def _errors_stream() -> t.TextIO:
    ctx = _cv_request.get(None)
    if ctx is None:
        return sys.stderr
    return t.cast(t.TextIO, ctx.request.environ["wsgi.errors"])


wsgi_errors_stream = LocalProxy(_errors_stream)
"""The error stream of the current request (`wsgi.errors`), `sys.stderr` outside of one."""

default_handler = logging.StreamHandler(t.cast(t.TextIO, wsgi_errors_stream))
"""What an application's logger writes with if nothing else would; removable by this name."""

default_handler.setFormatter(
    logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s")
)


def has_level_handler(logger: logging.Logger) -> bool:
    """Return whether some handler, of the logger or one it propagates to, takes its level."""
    lowest = logger.getEffectiveLevel()
    source: logging.Logger | None = logger
    while source is not None:
        if any(handler.level <= lowest for handler in source.handlers):
            return True
        source = source.parent if source.propagate else None
    return False


def create_logger(app: Application) -> logging.Logger:
    """Return the logger named `app.name`, ready to write.

    In debug mode its level becomes DEBUG, unless one is set. It is given `default_handler`
    only if no handler would take its messages, so that configured logging is left alone.
    """
    logger = logging.getLogger(app.name)
    if app.debug and logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG)
    if not has_level_handler(logger):
        logger.addHandler(default_handler)
    return logger
