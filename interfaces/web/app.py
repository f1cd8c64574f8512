"""The web chat as an application: what may be asked for, and what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ...contracts import Answer, OptimizationError, UserError
from ..faults import fault_of
from ..text import clean
from .bodies import Message, Reply, body_of
from .gate import Gate
from .pages import Pages
from .uploads import TooLarge
from .view import view_listing
from .view_run import View

if TYPE_CHECKING:
    from .access import Access
    from .files import Files
    from .rooms import Rooms


class Routes:
    """What may be asked for; each method is one path.

    Args:
        rooms: the conversations.
        files: what the workspace has, receives and hands out.
    """

    def __init__(self, rooms: Rooms, files: Files) -> None:
        self._rooms = rooms
        self._files = files

    def conversations(self) -> list[View]:
        """Return all conversations of the workspace, the latest first."""
        return [view_listing(found) for found in self._rooms.desk.list()]

    def begin(self) -> View:
        """Begin a conversation."""
        return {"id": self._rooms.desk.open(None).id}

    async def events(
        self,
        name: str,
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        """Stream what a conversation tells, from where the page left off."""
        events = await self._rooms.stream(name, after if last_event_id is None else last_event_id)
        return StreamingResponse(events, media_type="text/event-stream")

    def say(self, name: str, message: Annotated[Message, Depends(body_of(Message))]) -> View:
        """Take words, a model, data; what comes of them is told by the events."""
        self._rooms.conversation(name).say(message.text, model=message.model, data=message.data)
        return {}

    def answer(self, name: str, reply: Annotated[Reply, Depends(body_of(Reply))]) -> View:
        """Answer the question that the run of a conversation waits with."""
        self._rooms.conversation(name).answer(Answer(action=reply.action))
        return {}

    def stop(self, name: str) -> View:
        """Stop the run of a conversation; it stays resumable."""
        self._rooms.conversation(name).stop()
        return {}

    def resume(self, name: str) -> View:
        """Go on with the run of a conversation."""
        self._rooms.conversation(name).resume()
        return {}

    def file(self, name: str, path: str) -> Response:
        """Hand out a file that the conversation made."""
        return self._files.download(self._rooms.conversation(name).files(), path)

    def choices(self) -> View:
        """Return the models and data of the workspace."""
        return self._files.choices()

    async def upload(self, request: HttpRequest, batch: str, name: Annotated[str, Query(max_length=1000)]) -> View:
        """Receive a file; a model is admitted before it counts as received."""
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() and len(declared) < 16 else None
        return await self._files.receive(batch, name, size, request.stream())


def create_app(rooms: Rooms, files: Files, access: Access) -> FastAPI:
    """Return the application: the page, its events and its files, behind the gate."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="shipfit")
    pages, routes, one = Pages(), Routes(rooms, files), "/api/conversations/{name}"
    app.get("/")(pages.front)
    app.get("/static/{name}")(pages.file)
    app.get("/api/conversations")(routes.conversations)
    app.post("/api/conversations")(routes.begin)
    app.get(f"{one}/events")(routes.events)
    app.post(f"{one}/messages")(routes.say)
    app.post(f"{one}/answer")(routes.answer)
    app.post(f"{one}/stop")(routes.stop)
    app.post(f"{one}/resume")(routes.resume)
    app.get(f"{one}/files/{{path:path}}")(routes.file)
    app.get("/api/workspace")(routes.choices)
    app.post("/api/uploads/{batch}")(routes.upload)
    app.add_exception_handler(OptimizationError, _told)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _missing)
    app.add_exception_handler(Exception, _fault)
    app.add_middleware(Gate, access=access)
    return app


def _told(_: HttpRequest, error: Exception) -> Response:
    """Answer with the error's one line."""
    assert isinstance(error, OptimizationError)
    status = 413 if isinstance(error, TooLarge) else 400 if isinstance(error, UserError) else 500
    return JSONResponse({"error": clean(error.message, 2000), "type": error.type}, status)


def _malformed(_: HttpRequest, __: Exception) -> Response:
    return JSONResponse({"error": "that is no address of this server"}, 400)


def _missing(_: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": clean(error.detail)}, error.status_code, error.headers)


def _fault(_: HttpRequest, error: Exception) -> Response:
    """Answer that the fault is ours; the traceback goes to a file."""
    return JSONResponse({"error": fault_of(error).message}, 500)
