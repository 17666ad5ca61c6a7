"""The demo: a shelf of tools to borrow, with pages, a form and a JSON API.

`app.py` puts it together, guards included, `pages.py` and `api.py` are its two blueprints,
`shelf.py` is what both are about and knows nothing of HTTP, `errors.py` holds for all of it.
"""
