"""Values that are kept for a while, and answers that clients and proxies may keep.

from hipflask.cache import Cache, cacheable

cache = Cache()

@app.get("/rates")
@cacheable(max_age_s=60, is_public=True)      # first, let nobody ask at all
def rates():
    return cache.get_or_make("rates", fetch_rates, ttl_s=60, stale_s=600)
"""

from __future__ import annotations

from .http import cacheable as cacheable
from .memory import MemoryEntries as MemoryEntries
from .values import Cache as Cache
