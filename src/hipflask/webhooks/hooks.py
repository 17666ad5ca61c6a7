"""`Hooks`: the sources of an application, its inbox, and who works on what is in it.

hooks = Hooks(app, inbox="sqlite:///inbox.db")

@hooks.receive("/stripe", scheme="stripe", secrets="STRIPE_WHSEC")
def paid(event, tx): ...
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeVar

from ..scaffold import SetupError
from ..security import Stance, public
from . import metrics
from .certificates import Fetch
from .configured import Names
from .identify import Where
from .receiving import Receiver
from .reception import Reception
from .scheme import Scheme
from .sources import RETRIES, Source, WhenDead, make_source

if TYPE_CHECKING:
    from ..forward.destination import Sign
    from .working.crews import AnyCrew
    from .working.posting import OutboxDestination

F = TypeVar("F", bound=Callable[..., Any])
# How long what is at work may take to finish when a serving process ends.
GRACE_S = 10.0
# Where the workers could not be started, as the store was away, a request tries again after this.
START_AGAIN_S = 5.0


class Hooks:
    """Receives webhooks: verified, stored with fsync, and only then acknowledged.

    `inbox` is the URL of the database that events are stored in, `sqlite:///inbox.db` or
    `postgresql://...`; without one the setting HIPFLASK_DATABASE_URL, and without that a file in
    the instance folder. Nothing is opened before the first request, or before the application is
    served. `workers` is how many threads of each serving process handle events; 0 for none, where
    `hipflask worker` does.

    What is not acknowledged, with 503 and Retry-After, before the body is read: a delivery while
    `most_waiting` others, or `most_waiting_bytes` of them, wait for the disk in this process;
    while the inbox holds `most_rows` events, or `most_bytes`, that are not finished; and for
    `retry_store_s` seconds after the store was not available.
    """

    def __init__(
        self,
        app: Any = None,
        inbox: str | None = None,
        *,
        workers: int = 2,
        most_waiting: int = 1000,
        most_waiting_bytes: int = 64 * 1024 * 1024,
        most_rows: int = 200_000,
        most_bytes: int = 4 * 1024**3,
        retry_store_s: float = 0.5,
    ) -> None:
        self.url = inbox
        self.workers = workers
        #: By name, in the order they were declared.
        self.sources: dict[str, Source] = {}
        #: By name: what `destination` made.
        self.destinations: dict[str, Any] = {}
        self.app: Any = None
        self._lock = threading.Lock()
        self._lock_crew = threading.Lock()
        self._store: _Store | None = None
        self._crew: tuple[int, AnyCrew] | None = None
        self._start_again_at = 0.0
        self._receivers: dict[str, Receiver] = {}
        self._reception = Reception(
            append=lambda arrivals: self.inbox.append(arrivals),
            backlog=lambda: self.inbox.backlog(),
            most_waiting=most_waiting,
            most_waiting_bytes=most_waiting_bytes,
            most_rows=most_rows,
            most_bytes=most_bytes,
            retry_store_s=retry_store_s,
        )
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Any) -> None:
        """Register the routes of the sources, those of later ones too, with the application."""
        if self.app is not None:
            raise SetupError(f"These hooks are registered with {self.app!r} already.")
        self.app = app
        app.extensions["hipflask.webhooks"] = self
        app.while_serving(self._serving)
        # Servers that know no such moment: taken out again when the workers have started.
        app.before_request_funcs.setdefault(None, []).insert(0, self._first_request)
        self._exempt()
        for source in self.sources.values():
            self._route(source)

    # What is declared.

    def source(
        self,
        rule: str,
        *,
        scheme: str | Scheme,
        secrets: Names = (),
        name: str | None = None,
        key: Where | None = None,
        id: Where | None = None,
        type: Where | None = None,
        url: str | None = None,
        webhook_id: str | None = None,
        fetch: Fetch | None = None,
        tolerance_s: float | EllipsisType | None = ...,
        max_body: int | None = None,
        accepts: str | Sequence[str] = (),
        ack: int | None = None,
        origins: Collection[str] = (),
        answer_s: float | None = None,
        when_dead: WhenDead = "park",
        concurrency: int | None = None,
        rate: str | None = None,
        retries: Any = RETRIES,
        retired: bool = False,
    ) -> Source:
        """Receive the deliveries of one sender at `rule`; add its handlers with `Source.on`.

        `secrets` names the settings that hold the secrets. See "Hooks" in the docs for the other
        options. Raises SetupError for what cannot work.

            github = hooks.source("/github", scheme="github", secrets="GITHUB_SECRET")
        """
        source = make_source(
            rule,
            scheme=scheme,
            secrets=secrets,
            name=name,
            key=key,
            id=id,
            type=type,
            url=url,
            webhook_id=webhook_id,
            fetch=fetch,
            tolerance_s=tolerance_s,
            max_body=max_body,
            accepts=accepts,
            ack=ack,
            origins=origins,
            answer_s=answer_s,
            when_dead=when_dead,
            concurrency=concurrency,
            rate=rate,
            retries=retries,
            retired=retired,
        )
        known = self.sources.get(source.name)
        if known is not None:
            raise SetupError(
                f"Two sources are named {source.name!r}: {known.place} and {source.place}. The"
                " inbox keeps their events apart by name: give one of them name=."
            )
        self.sources[source.name] = source
        if self.app is not None:
            self._route(source)
        return source

    def receive(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Decorate the one function that handles what a sender delivers to `rule`.

        Options are those of `source`.

            @hooks.receive("/stripe", scheme="stripe", secrets="STRIPE_WHSEC")
            def paid(event: InvoicePaid, tx: Connection): ...
        """
        return self.source(rule, **options).on()

    def destination(
        self,
        name: str,
        *,
        url: str | None = None,
        env: str | None = None,
        when_dead: WhenDead = "skip",
        concurrency: int | None = None,
        rate: str | None = None,
        sign: Sign | str | None = None,
        secrets: Names = (),
        **options: Any,
    ) -> OutboxDestination:
        """Name a place that handlers may send requests to, with `post` of what is returned.

        Its address is `url`, or stands in the setting or environment variable `env`. `rate` is
        "20/s", "600/m" or "5000/h"; it and `concurrency` hold over all processes. `when_dead`
        says what a request that is given up does to the later ones of its key. `sign` is a
        scheme to sign with, such as "standard", with the secrets that `secrets` names, or a
        function; other options are those of `forward.Destination`. Raises SetupError for what
        cannot work.

            ledger = hooks.destination("ledger", env="LEDGER_URL", timeout_s=5, breaker=0.5)
        """
        from .working.posting import make_destination  # who only receives does not pay for it

        if name in self.destinations:
            raise SetupError(f"Two destinations are named {name!r}: give one another name.")
        made = make_destination(
            name,
            lambda outgoings: self.outbox.post(outgoings),
            lambda: self.app.config,
            url=url,
            env=env,
            when_dead=when_dead,
            concurrency=concurrency,
            rate=rate,
            sign=sign,
            secrets=secrets,
            **options,
        )
        self.destinations[name] = made
        return made

    def console(self, *, access: Stance, path: str = "/_hooks") -> None:
        """Put the console at `path`, for those whom `access` lets in; without this there is none.

        A stance of `hipflask.security`: who passes it sees what senders sent, and may replay it.
        Raises SetupError without one, and before `init_app`.

            hooks.console(access=roles("operator"))
        """
        from .console import add_console  # an application without one does not load it

        add_console(self, access=access, path=path)

    # What is opened.

    @property
    def database(self) -> Any:
        """The inbox's database; opened, and its tables made, at the first use in a process."""
        return self._opened().database

    @property
    def inbox(self) -> Any:
        """The stored events; see `inbox`."""
        return self._opened().inbox

    @property
    def outbox(self) -> Any:
        """The requests that handlers posted; see `inbox`."""
        return self._opened().outbox

    def start(self) -> None:
        """Read the secrets of all sources, open the inbox and start the workers; once a process.

        Called before the application is served; elsewhere the first request does as much. Raises
        SetupError for a setting that is missing.
        """
        self._prepare()
        self._start_workers()

    def stop(self) -> None:
        """Answer what waits for the disk, and stop the workers."""
        self._reception.close()
        crew, self._crew = self._crew, None
        if crew is not None and crew[0] == os.getpid():
            crew[1].stop(GRACE_S)
        store, self._store = self._store, None
        if store is not None and store.pid == os.getpid():
            store.database.close()

    def work(self, *, threads: int = 1) -> int:
        """Work on all that is due, until nothing is; returns how many rows that were.

        For tests and scripts: a process that serves has workers of its own, except while
        `app.testing`.
        """
        from .working.crews import make_crew

        crew = make_crew(self, threads=threads)
        crew.start(once=True)
        crew.join()
        return crew.done

    def _prepare(self) -> None:
        """Read the secrets of all sources; opens nothing."""
        self._exempt()
        for receiver in self._receivers.values():
            receiver.prepare(self.app.config)
        metrics.watch(self)

    def _start_workers(self) -> None:
        with self._lock_crew:
            is_wanted = self.workers and not self.app.testing
            if is_wanted and (self._crew is None or self._crew[0] != os.getpid()):
                # A process that does not work does not load it.
                from .working.crews import make_crew

                crew = make_crew(self, threads=self.workers)
                crew.start()
                self._crew = (os.getpid(), crew)
            hooks = self.app.before_request_funcs.get(None, [])
            if self._first_request in hooks:
                hooks.remove(self._first_request)

    def _first_request(self) -> None:
        """Start the workers under a server that did not; never refuses the request."""
        now = time.monotonic()
        if now < self._start_again_at:
            return
        # Said before it is tried: while the store is away that takes long, for one request.
        self._start_again_at = now + START_AGAIN_S
        try:
            self._start_workers()
        except Exception:
            self.app.logger.exception("Webhooks that were stored are not worked on yet")

    def _serving(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _opened(self) -> _Store:
        store = self._store
        if store is None or store.pid != os.getpid():
            with self._lock:
                store = self._store
                if store is None or store.pid != os.getpid():
                    store = self._store = self._open()
        return store

    def _open(self) -> _Store:
        config = getattr(self.app, "config", {})
        url = self.url or config.get("HIPFLASK_DATABASE_URL")
        store = _Store(url, getattr(self.app, "instance_path", None))
        store.inbox.when_dead.update((one.name, one.when_dead) for one in self.sources.values())
        store.outbox.when_dead.update(
            (name, one.when_dead) for name, one in self.destinations.items()
        )
        return store

    def _exempt(self) -> None:
        """Tell Flask-WTF that no page posts here, as far as it is there by now."""
        csrf = self.app.extensions.get("csrf")
        if hasattr(csrf, "exempt"):
            csrf.exempt(f"{Receiver.view.__module__}.{Receiver.view.__name__}")

    def _route(self, source: Source) -> None:
        receiver = self._receivers[source.name] = Receiver(source, self._reception, self._prepare)
        methods = ["POST", "OPTIONS"] if source.origins else ["POST"]
        self.app.add_url_rule(
            source.rule,
            f"hooks.{source.name}",
            receiver.view,
            provide_automatic_options=False if source.origins else None,
            methods=methods,
            stream=True,
            access=public,
        )


class _Store:
    """What one process has open."""

    def __init__(self, url: str | None, instance_path: str | None) -> None:
        from ..database import open_database  # what is declared needs no database
        from .inbox import Inbox

        self.pid = os.getpid()
        self.database = open_database(url, instance_path=instance_path)
        self.inbox = Inbox(self.database)
        self.outbox = self.inbox.outbox
        if not self.database.is_sqlite:
            from .working.procrastination import hand_out  # needs hipflask[postgres]

            hand_out(self.database, (self.inbox, self.outbox))
