"""An old order service, moved to a new one without anybody noticing.

    python -m examples.legacy.rollout        # the whole story, and its report: about a minute

`old.py` is the service that is to go: a stand-in in plain Python for one of PHP's ways. `new.py`
is the one that takes its place, `front.py` stands before both and decides who answers. The
story starts all three as processes, sends orders' traffic through the front, and moves it:

1. Everybody is answered by the old service; the new one is asked beside it, and compared. It
   rounds half cents another way, which nobody knew.
2. Mended, it is compared again: nothing differs but what differs by itself.
3. 5, 25, 50, 100 % of the accounts move.
4. A bad release of the new service fails: everybody is back at the old one, by itself.
5. Mended and moved again, a rollback by hand is tried, and 100 % is where it ends.

By hand, each in its own terminal:

    python -m examples.legacy.old 8101
    hipflask --app examples.legacy.new serve --bind 127.0.0.1:8102
    export LEGACY_URL=http://127.0.0.1:8101 ORDERS_URL=http://127.0.0.1:8102
    export HIPFLASK_DATABASE_URL=sqlite:////tmp/rollout.db
    hipflask --app examples.legacy.front serve --workers 2
    hipflask --app examples.legacy.front forward set orders --canary 5 --shadow 20
    hipflask --app examples.legacy.front forward show
"""
