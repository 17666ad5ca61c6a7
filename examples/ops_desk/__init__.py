"""An operations desk: orders, and refunds that a second person approves and that can be undone.

`app.py` puts it together: who logs in, the tables, the charts. `actions.py` is what may be done,
`store.py` is what all of it is about and knows nothing of HTTP.
"""
