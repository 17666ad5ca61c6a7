"""The command `send`: signs an event as its sender would, and delivers it to the app."""

from __future__ import annotations

import http.client
import os
import re
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from hipflask.webhooks.display import visible
from hipflask.webhooks.schemes import find_scheme
from hipflask.webhooks.sending import Event, Letter, Sample, deliveries

from ..openapi import Failed
from ..options import app_option
from ..script import ScriptInfo, pass_script_info
from .setting import hooks_of, json_option, one_line, print_json

#: How long an answer may take, in seconds.
PATIENCE_S = 30.0
SAMPLE = b'{"hello": "this is hipflask hooks send"}'


@dataclass(frozen=True)
class Answer:
    """What was answered to a letter, and the row that keeps it, if the store could be asked."""

    letter: Letter
    status: int
    text: str
    row: t.Any = None

    @property
    def is_taken(self) -> bool:
        """Whether a 2xx was answered."""
        return self.status // 100 == 2


_is_type = re.compile(r"[a-z][a-z_]*(\.[a-z_]+)*\Z").match

# What delivers a letter: through the app itself, or over HTTP.
Deliver = t.Callable[[Letter], tuple[int, str]]


@click.command("send", short_help="Send a signed event to the app.")
@click.argument("provider")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="SECRET",
    help="What signs; several sign together. Otherwise the first that the app checks with.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.File("rb"),
    metavar="FILE",
    help="The event's body; '-' is standard input. Several files are several events.",
)
@click.option("--data", metavar="TEXT", help="The event's body, typed here.")
@click.option(
    "--event",
    metavar="TYPE",
    help=(
        "The type of event, such as push. Otherwise what the body says, or where senders have it"
        " in a header field, the file's name: push.json is a push."
    ),
)
@click.option(
    "--id", "id_", metavar="ID", help="The event's id; otherwise the body's, or a new one."
)
@click.option(
    "--dup", type=click.IntRange(1, 10_000), default=1, metavar="N", help="Send each N times."
)
@click.option("--reorder", is_flag=True, help="Send them in another order.")
@click.option("--corrupt", is_flag=True, help="Change a byte after it was signed.")
@click.option(
    "--url",
    metavar="URL",
    help="Send over HTTP to this address. With --app and without a path: to the source's.",
)
@click.option("--webhook-id", metavar="ID", help="PayPal's id of the webhook.")
@click.option("--content-type", default="application/json", show_default=True, metavar="TYPE")
@click.option(
    "--work",
    is_flag=True,
    help="Then work on all that is due, here, until nothing is; in process only.",
)
@json_option
@pass_script_info
def send_command(
    info: ScriptInfo,
    /,
    provider: str,
    secrets: tuple[str, ...],
    files: tuple[t.BinaryIO, ...],
    data: str | None,
    event: str | None,
    id_: str | None,
    dup: int,
    reorder: bool,
    corrupt: bool,
    url: str | None,
    webhook_id: str | None,
    content_type: str,
    work: bool,
    as_json: bool,
) -> None:
    """Send an event, signed as PROVIDER signs, and print what was answered and stored.

    PROVIDER is a scheme (github, stripe, slack, standard ...) or the name of a source of the
    app. With --app the event goes through the app's own door in this process, and no server is
    needed; with --url it goes over HTTP.

    \b
      hipflask hooks send github --app shop --event push --file push.json --work
      hipflask hooks send stripe --app shop --file paid.json --dup 3
      hipflask hooks send github --secret s3cret --url http://127.0.0.1:8000/github --data '{}'

    --dup, --reorder and --corrupt do what networks and strangers do: the app must store each
    event once, in any order, and refuse what was changed. Exit code 1 means that something
    else than a 2xx came back, or with --corrupt that one did.
    """
    if files and data is not None:
        raise click.UsageError("--file and --data both say what the body is; give one.")
    with one_line():
        target = _target(info, provider, url, work)
        target.prepare(secrets)
        sample = Sample(
            target.scheme,
            secrets or target.secret(),
            _events(target.scheme, files, data, event),
            id=id_,
            url=target.signed_url(),
            webhook_id=webhook_id or target.webhook_id(),
            content_type=content_type,
        )
        letters = list(deliveries(sample, copies=dup, is_reordered=reorder, is_corrupt=corrupt))
        answers = _deliver(target, letters)
        worked = target.hooks.work(threads=1) if work else None
        answers = target.with_rows(answers)
    _tell(target, answers, worked, as_json)
    are_taken = [answer.is_taken for answer in answers]
    if any(are_taken) if corrupt else not all(are_taken):
        click.get_current_context().exit(1)


send_command.params.insert(0, app_option)


def _events(
    scheme: t.Any, files: tuple[t.BinaryIO, ...], data: str | None, event: str | None
) -> list[Event]:
    """What is to be sent. Senders that name the type in a header field always name one."""
    if not files:
        return [Event(SAMPLE if data is None else data.encode(), event)]
    has_header = bool(find_scheme(scheme).type_header)
    events = []
    for file in files:
        stem = Path(str(getattr(file, "name", ""))).stem
        guessed = stem if has_header and _is_type(stem) else None
        events.append(Event(file.read(), event or guessed))
    return events


class Target:
    """Where letters go: an app's source, or an address somewhere."""

    def __init__(self, provider: str, hooks: t.Any, source: t.Any, url: str | None) -> None:
        self.hooks = hooks
        self.source = source
        self.scheme = provider if source is None else source.scheme
        self.url = url

    def secret(self) -> list[t.Any]:
        """The first secret that the app checks with."""
        if self.source is None:
            raise Failed("Say what to sign with: --secret. Without --app nothing else knows.")
        from hipflask.webhooks.configured import read_secrets

        return read_secrets(self.hooks.app.config, self.source.secrets, self.source.where)[:1]

    def prepare(self, secrets: tuple[str, ...]) -> None:
        """Have the app ready in this process; SetupError for a setting that is missing.

        A secret that was typed and that the app was not told stands in for the app's own.
        """
        if self.source is None or self.url is not None:
            return
        config = self.hooks.app.config
        for name in self.source.secrets:
            if secrets and not (config.get(name) or os.environ.get(name)):
                config[name] = list(secrets)
        # Who works on it is for --work to say; threads would be cut off at the end anyway.
        self.hooks.workers = 0
        self.hooks.start()

    def signed_url(self) -> str | None:
        """The URL that the sender was given, for schemes that sign it."""
        return self._setting("url") or self.url

    def webhook_id(self) -> str | None:
        """PayPal's, from the app's settings."""
        return self._setting("webhook_id")

    def _setting(self, name: str) -> str | None:
        if self.source is None:
            return None
        from hipflask.webhooks.configured import read_text

        return read_text(self.hooks.app.config, getattr(self.source, name), self.source.where)

    def deliver(self) -> Deliver:
        """What delivers a letter."""
        return _over_http(self.url) if self.url is not None else self._in_process()

    def _in_process(self) -> Deliver:
        client = self.hooks.app.test_client()
        rule = self.source.rule

        def deliver(letter: Letter) -> tuple[int, str]:
            answer = client.post(
                rule, data=letter.body, headers=letter.headers, query_string=letter.query or None
            )
            return answer.status_code, answer.text

        return deliver

    def with_rows(self, answers: list[Answer]) -> list[Answer]:
        """The answers with the rows that keep the events, where there is an app to ask."""
        if self.source is None:
            return answers
        from hipflask.webhooks.reconcile import find_ids

        inbox = self.hooks.inbox
        names = [self.names_of(each.letter) if each.is_taken else () for each in answers]
        seqs = find_ids(inbox, self.source.name, sorted({name for some in names for name in some}))
        rows = {seq: inbox.read(seq) for seq in set(seqs.values())}
        found = [next((seqs[name] for name in some if name in seqs), None) for some in names]
        return [
            Answer(each.letter, each.status, each.text, None if seq is None else rows[seq])
            for each, seq in zip(answers, found, strict=True)
        ]

    def names_of(self, letter: Letter) -> tuple[str, ...]:
        """What the inbox may have stored it under: first as a conflict, then by its id."""
        from hipflask.webhooks.delivery import Delivery
        from hipflask.webhooks.identify import Identifier
        from hipflask.webhooks.inbox.appending import alias_of
        from hipflask.webhooks.verdict import Verdict

        scheme = self.source.scheme
        delivery = Delivery(letter.headers, letter.body, query=letter.query)
        sent = delivery.values(scheme.id_header) if scheme.id_header else ()
        verdict = Verdict(scheme=scheme.name, id=sent[0].decode("latin-1") if sent else None)
        known = Identifier(scheme, id=self.source.id).identify(delivery, verdict)
        return alias_of(known.id, known.digest), known.id


def _target(info: ScriptInfo, provider: str, url: str | None, work: bool) -> Target:
    if info.app_import_path is None and info.create_app is None and url is not None:
        if work:
            raise click.UsageError("--work needs --app: whose events would it work on?")
        return Target(provider, None, None, _checked(url))
    hooks = hooks_of(info)
    source = _source(hooks, provider)
    if url is None and "<" in source.rule:
        raise Failed(f"The route {source.rule} has variables; say with --url what is in them.")
    if url is not None:
        url = _checked(url)
        if urlsplit(url).path in ("", "/"):
            url = f"{url.rstrip('/')}{source.rule}"
    return Target(provider, hooks, source, url)


def _source(hooks: t.Any, provider: str) -> t.Any:
    if provider in hooks.sources:
        return hooks.sources[provider]
    found = [source for source in hooks.sources.values() if source.scheme.name == provider]
    if len(found) == 1:
        return found[0]
    names = ", ".join(hooks.sources) or "none"
    if found:
        raise Failed(f"{len(found)} sources have the scheme {provider!r}; name one of {names}.")
    raise Failed(f"The app has no source for {provider!r}; its sources are {names}.")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise Failed(f"--url {url!r} is no address; write it like http://127.0.0.1:8000/github.")
    return url


def _over_http(url: str) -> Deliver:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc.rpartition("@")[2], timeout=PATIENCE_S)

    def deliver(letter: Letter) -> tuple[int, str]:
        query = "&".join(filter(None, (parts.query, letter.query)))
        path = f"{parts.path or '/'}{'?' if query else ''}{query}"
        try:
            connection.request("POST", path, letter.body, dict(letter.headers))
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{url} does not answer: {error}") from error
        return answer.status, text

    return deliver


def _deliver(target: Target, letters: list[Letter]) -> list[Answer]:
    deliver = target.deliver()
    with click.progressbar(
        letters, label="Sending", file=sys.stderr, hidden=len(letters) < 20
    ) as bar:
        try:
            return [Answer(letter, *deliver(letter)) for letter in bar]
        except ValueError as error:  # a line break in --event, for one
            raise Failed(f"It cannot be sent: {error}.") from error


def _tell(target: Target, answers: list[Answer], worked: int | None, as_json: bool) -> None:
    from .looking import describe

    if as_json:
        told = [
            {
                "id": answer.letter.id,
                "copy": answer.letter.copy,
                "status": answer.status,
                "stored": describe(answer.row) if answer.row is not None else None,
            }
            for answer in answers
        ]
        print_json(told)
        return
    for answer in answers:
        click.echo(f"{answer.status} {answer.letter.id}{_about(answer)}")
    if worked is not None:
        click.echo(f"Worked on {worked}.")
    kept = {answer.row.seq: answer for answer in answers if answer.row is not None}
    for answer in kept.values():
        row = answer.row
        again = f", came {row.dup_count + 1} times" if row.dup_count else ""
        key = f", key {row.key}" if row.key is not None else ""
        click.echo(
            f"Stored as #{row.seq}: {row.event_type or 'no type'} from {row.lane}{key},"
            f" {row.size} bytes, {row.state}{again}."
        )
        if row.error:
            click.secho(f"  {visible(row.error)}", fg="red")
        if row.state == "conflict":
            click.echo(f"  {_conflict(target, answer)}")
    if target.source is not None and not kept:
        click.echo("Nothing was stored.")


def _conflict(target: Target, answer: Answer) -> str:
    """Why it is one, and the ways out."""
    beside, id = target.names_of(answer.letter)
    if answer.row.event_id == beside:
        why, way = f"{id} came before with other bytes", "Give another --id"
    else:
        why = (
            "these bytes came before under another id. Nobody signs the id, so this may be a copy"
            " that a stranger sends"
        )
        way = "Change the body, or give the first one's --id to repeat it"
    return (
        f"Kept as a conflict and not worked on: {why}. {way};"
        f" 'hipflask hooks replay {answer.row.seq}' works on it all the same."
    )


def _about(answer: Answer) -> str:
    parts = []
    if answer.letter.copy > 1:
        parts.append(f"copy {answer.letter.copy}")
    if answer.letter.is_corrupt:
        parts.append("changed after it was signed")
    if answer.status // 100 != 2:
        parts.append(visible(" ".join(answer.text.split())[:120]))
    return f" ({', '.join(filter(None, parts))})" if any(parts) else ""
