"""The chat: rooms over WebSockets, a feed of all rooms over server-sent events, two pages.

    hipflask serve --app examples.chat

`rooms.py` is what it is about and knows nothing of HTTP, `app.py` is the doors to it. The rooms
live in the memory of one worker: with several, messages would have to travel through a store.
"""

from .app import create_app

__all__ = ["create_app"]
