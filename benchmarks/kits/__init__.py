"""Kits for internal tools beside ours: the same table in each, looked at in one browser.

`rows.py` makes the table, `catalogue.py` says how each kit is started and written to, `looking.py`
drives the browser, `forging.py` writes as another site would, `judging.py` says who is first.
"""
