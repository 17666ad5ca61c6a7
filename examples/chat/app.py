"""The doors to the rooms: pages, a form, a WebSocket and a feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from hipflask import (
    Flask,
    Response,
    abort,
    redirect,
    render_template,
    request,
    url_for,
    websocket,
)
from hipflask.streams import Event, sse
from hipflask.websockets import WebSocketDisconnected

from .rooms import LONGEST_NAME, LONGEST_TEXT, ROOM, Listener, Message, Refused, Rooms

FIRST_ROOMS = ("garden", "kitchen", "workshop")
HEADERS = {
    # Nothing inline, nothing from elsewhere, in nobody's frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the chat, with empty rooms."""
    app = Flask(__name__)
    app.config.update(config or {})
    rooms = app.extensions["rooms"] = Rooms()

    @app.before_request
    def refuse_other_sites() -> None:
        if request.method == "POST":
            sender = request.headers.get("Sec-Fetch-Site", "none")
            if sender not in ("same-origin", "none"):
                abort(403, "This form was sent from another site.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.get("/")
    def index() -> str:
        names = sorted({*FIRST_ROOMS, *rooms.said})
        return render_template("index.html", names=names, said=rooms.since(0)[::-1])

    @app.get("/rooms/<room>")
    def enter(room: str) -> str:
        if not ROOM.fullmatch(room):
            abort(404)
        return show(room)

    # On the loop, as the rooms are; a plain view would speak from another thread.
    @app.post("/rooms/<room>")
    async def say(room: str) -> Any:
        form = request.form
        try:
            rooms.say(room, form.get("name"), form.get("text"))
        except Refused as error:
            return show(room, form.get("name", ""), form.get("text", ""), str(error)), 422
        return redirect(url_for("enter", room=room, name=form["name"]) + "#say", 303)

    def show(room: str, name: str = "", text: str = "", wrong: str = "") -> str:
        return render_template(
            "room.html",
            room=room,
            said=rooms.history(room),
            name=name or request.args.get("name", ""),
            text=text,
            wrong=wrong,
            longest_name=LONGEST_NAME,
            longest_text=LONGEST_TEXT,
        )

    @app.websocket("/rooms/<room>/socket")
    async def talk(room: str) -> None:
        if not ROOM.fullmatch(room):
            abort(404)
        await websocket.accept()
        with rooms.listening(room) as listener:
            hearing = asyncio.create_task(hear(listener))
            try:
                while True:
                    said = await websocket.receive_json()
                    try:
                        rooms.say(room, *read_said(said))
                    except Refused as error:
                        await websocket.send_json({"refused": str(error)})
            finally:
                hearing.cancel()

    async def hear(listener: Listener) -> None:
        with suppress(WebSocketDisconnected):
            while (message := await listener.get()) is not None:
                await websocket.send_json(message.as_dict())
            await websocket.close(1008, "too far behind")

    @app.get("/feed")
    async def feed() -> Any:
        last = request.last_event_id or ""

        async def events() -> AsyncIterator[Event]:
            with rooms.listening() as listener:
                for message in rooms.since(int(last)) if last.isdecimal() else ():
                    yield as_event(message)
                while (message := await listener.get()) is not None:
                    yield as_event(message)

        return sse(events())

    return app


def read_said(said: object) -> tuple[object, object]:
    """Return the name and the text of what came over a socket; Refused if it has neither."""
    if not isinstance(said, dict):
        raise Refused("Send an object with a name and a text.")
    return said.get("name"), said.get("text")


def as_event(message: Message) -> Event:
    return Event(message.as_dict(), id=str(message.number))
