"""Orders of a small shop: what is sold, who ordered it, and where each order stands.

    python -m examples.orders            # http://127.0.0.1:8001, its page at /docs

    curl -s http://127.0.0.1:8001/products
    curl -s http://127.0.0.1:8001/orders -H 'X-API-Key: demo-clerk-0000000000000' \
         -d '{"customer": 1, "lines": [{"sku": "mug-blue", "quantity": 2}]}' \
         -H 'Content-Type: application/json'

Anybody sees what is sold; taking orders needs a clerk's key, changing what is sold a
manager's. Both demo keys are in `app.py`. Every view says in its annotations what it reads
and answers, and `/openapi.json` (`openapi.json` beside this file) says the same to programs.

`shapes.py` is what goes over the wire, `store.py` the rows in SQLite, `views.py` what is asked
of them, `app.py` puts them together. The database is a file in the instance
folder, or what ORDERS_DATABASE names; it is made and filled at first use, and any number of
threads and workers share it.
"""

from .app import create_app as create_app
