"""The server of the web chat: its port, its link, its end."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...contracts import RequestError, Settings
from ..cli.console import say
from ..network import is_loopback, listening
from .access import Access

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from ..chat.desk import Desk
    from .rooms import Rooms

DEFAULT_PORT = 8765
# Streams end by themselves when the server does; what is left after this is cut.
_LAST_WORDS_S = 3
_REDIRECT = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={link}"><title>shipfit</title>'
)


def serve(settings: Settings, workspace: Path, host: str, port: int, *, browser: bool) -> int:
    """Serve the chat of a workspace until stopped, and return the exit status.

    Prints one link on a line of its own as soon as it can be opened.

    Args:
        settings: where state lives.
        workspace: the only folder that is served; it is made where it is not there.
        host: address or name to listen at.
        port: 0 takes any that is free.
        browser: open the link there, where this machine has a screen.

    Raises:
        RequestError: an extra is missing, the address is taken or none, or somebody else holds the workspace.
        MachineError: the workspace cannot be written.
    """
    _check_extra()
    from ..chat.desk import Desk

    with listening(host, port) as listener, Desk(settings, workspace) as desk:
        access = Access(host, listener.getsockname()[1])
        if not is_loopback(host):
            say("note: whoever reaches this address and sees its traffic can read along; a tunnel keeps it private")
        sys.stdout.write(f"{access.link}\n")
        sys.stdout.flush()
        with _opened(access.link if browser and _has_screen() else None):
            _run(desk, access, listener)
    return 0


def _check_extra() -> None:
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise RequestError(f'the web chat needs {", ".join(missing)}; install it with: pip install "shipfit[chat]"')


@contextmanager
def _opened(link: str | None) -> Generator[None]:
    """Open the link in a browser by way of a file: what a command is given, everybody on this machine can see."""
    if link is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="shipfit-open-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(_REDIRECT.format(link=link), encoding="utf-8")
        webbrowser.open(page.as_uri())
        yield


def _has_screen() -> bool:
    """Tell whether a browser would come up in a window: one in the terminal would take it over."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _run(desk: Desk, access: Access, listener: socket.socket) -> None:
    from .app import create_app
    from .files import Files
    from .rooms import Rooms

    rooms = Rooms(desk)
    server = _server(create_app(rooms, Files(desk.workspace, desk.settings), access), rooms)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        say("the server has ended; `shipfit chat --web` in the same workspace goes on with everything")


def _server(app: FastAPI, rooms: Rooms) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Ends the streams of all pages before it waits for them."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            rooms.close()
            await super().shutdown(sockets)

    # No access log: it would hold the link's token. Faults are saved to files by the application.
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    return Server(config)
