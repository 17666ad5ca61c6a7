"""An adapter: GitHub's and Stripe's events come in, and go on to a second service in one form.

    python -m examples.adapter           # both services; the adapter on 8002, the board on 8003

    hipflask hooks send github --app examples.adapter --secret demo-github-secret \
        --event push --file examples/adapter/push.json
    hipflask hooks send stripe --app examples.adapter --secret whsec_demo_stripe_secret \
        --file examples/adapter/invoice.json
    curl -s http://127.0.0.1:8003/notices

The same file once more is kept as a conflict: nobody signs GitHub's ids. Change the file, or give
`--id`.

Each event is checked, stored with fsync and only then acknowledged; a handler makes a `Notice` of
it, and the outbox brings that to the board: signed, with one Idempotency-Key however often it has
to try. Stop the board, send an event, start the board again: the notice arrives. The console at
http://127.0.0.1:8002/_hooks/ shows what waits and why; the name is anything, the password is
demo-operator-000000000000.

`shapes.py` is what comes and what goes, `app.py` the adapter, `board.py` the second service,
which stands for your own. Secrets and addresses are settings; the demo's are in `app.py`.
"""

from .app import create_app as create_app
