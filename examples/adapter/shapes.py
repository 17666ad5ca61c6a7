"""What GitHub and Stripe send, as far as we read it, and the one form that leaves us."""

from __future__ import annotations

import msgspec


class Notice(msgspec.Struct, omit_defaults=True):
    """What the second service gets, whoever it came from. `cents` is for payments."""

    origin: str
    id: str
    kind: str
    title: str
    who: str
    url: str = ""
    cents: int | None = None
    currency: str = ""


# GitHub


class Account(msgspec.Struct):
    name: str = ""
    login: str = ""


class Repository(msgspec.Struct):
    id: int
    full_name: str
    default_branch: str = "main"


class Commit(msgspec.Struct):
    id: str
    message: str


class Push(msgspec.Struct):
    """The event `push`. https://docs.github.com/webhooks/webhook-events-and-payloads#push"""

    ref: str
    repository: Repository
    pusher: Account
    commits: list[Commit] = []
    compare: str = ""
    deleted: bool = False

    def notice(self, id: str) -> Notice:
        branch = self.ref.removeprefix("refs/heads/")
        number = len(self.commits)
        first = self.commits[-1].message.partition("\n")[0] if self.commits else "nothing"
        title = f"{number} commit{'s' * (number != 1)} to {branch}: {first}"
        who = self.pusher.name or self.pusher.login
        return Notice("github", id, "push", title, who, self.compare)


class Issue(msgspec.Struct):
    number: int
    title: str
    html_url: str = ""


class IssueChanged(msgspec.Struct):
    """The event `issues`."""

    action: str
    issue: Issue
    repository: Repository
    sender: Account

    def notice(self, id: str) -> Notice:
        title = f"issue {self.issue.number} {self.action}: {self.issue.title}"
        return Notice("github", id, "issue", title, self.sender.login, self.issue.html_url)


# Stripe


class Invoice(msgspec.Struct):
    id: str
    amount_paid: int
    currency: str
    customer: str
    customer_email: str | None = None
    hosted_invoice_url: str | None = None


class InvoiceData(msgspec.Struct):
    object: Invoice


class InvoiceEvent(msgspec.Struct):
    """`invoice.paid` and `invoice.payment_failed`. https://docs.stripe.com/api/events/object"""

    id: str
    type: str
    data: InvoiceData

    def notice(self) -> Notice:
        invoice = self.data.object
        words = "paid" if self.type == "invoice.paid" else "not paid"
        return Notice(
            "stripe",
            self.id,
            "payment",
            f"invoice {invoice.id} {words}",
            invoice.customer_email or invoice.customer,
            invoice.hosted_invoice_url or "",
            invoice.amount_paid,
            invoice.currency,
        )
