"""Every kind of page in a browser: `make browser`. No part of `make test`.

`site.py` is what is served, `kinds.py` how each page is reached, `journeys.py` what a person does
with a keyboard or without scripts, `forging.py` what another site tries. `__main__.py` runs all of
it, prints figures, and exits with 1 where one is missed.
"""
