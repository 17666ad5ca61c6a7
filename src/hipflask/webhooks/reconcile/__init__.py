"""Events that never came: a provider's list API is asked, and what is missing is stored."""

from __future__ import annotations

from ..schemes import find_scheme
from .arriving import find_ids as find_ids
from .arriving import sender as sender
from .arriving import settings_of as settings_of
from .arriving import shelf_of as shelf_of
from .asking import Asker as Asker
from .asking import Missing as Missing
from .asking import Unreachable as Unreachable
from .github import GitHub as GitHub
from .listing import Answered as Answered
from .listing import Ask as Ask
from .listing import Found as Found
from .listing import NotUnderstood as NotUnderstood
from .listing import Provider as Provider
from .run import Progress as Progress
from .run import Shelf as Shelf
from .run import reconcile as reconcile
from .square import Square
from .stripe import Stripe

PROVIDERS: tuple[Provider, ...] = (GitHub(), Stripe(), Square())


def provider_of(scheme: str) -> Provider | None:
    """The list API for sources of that scheme; None where the provider has none that we know."""
    name = find_scheme(scheme).name
    return next((provider for provider in PROVIDERS if name in provider.schemes), None)
