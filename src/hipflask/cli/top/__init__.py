"""`hipflask top`: a running service in a terminal."""

from __future__ import annotations

import click

SORTS = ["rate", "errors", "p95", "work", "route"]


@click.command("top", short_help="Watch a running service: routes, workers, pools, inbox.")
@click.argument("service", required=False)
@click.option("--once", is_flag=True, help="Print one picture as text, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one picture as JSON, and end.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="rate",
    show_default=True,
    help="What comes first among the routes.",
)
@click.option(
    "--token",
    default="",
    envvar="HIPFLASK_TOP_TOKEN",
    metavar="TOKEN",
    help="The service's --metrics-token; best set in HIPFLASK_TOP_TOKEN.",
)
def top_command(
    service: str | None, once: bool, as_json: bool, interval_s: float, sort: str, token: str
) -> None:
    """Watch a running service: requests by route, workers, pools, the inbox.

    SERVICE is where 'hipflask serve --ops-bind 127.0.0.1:9090' says that its figures are
    (http://127.0.0.1:9090), or its --run-dir. Without it, the one service that runs here for
    you is found. The service must have been started with --ops-bind or --metrics.

    \b
    What the columns say, over the last seconds:
      req/s    requests that ended            errors  of these, with a status of 500 or more
      p50 p95  half, and 19 of 20, took less  work    requests in work now
      cpu      of one core                    pool    threads that run plain views, of all,
      lag      how late the event loop is             and calls that wait for one

    Press q or Ctrl-C to leave, s to sort by the next column. Where the output is no terminal,
    one picture is printed, as with --once.
    """
    from .watching import look  # heavy

    look(service, token, once=once, as_json=as_json, interval_s=interval_s, sort=sort)
