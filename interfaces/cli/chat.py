"""`shipfit chat`: a conversation about the models of a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as opt

Workspace = Annotated[
    str,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder with models and data; products go below it. Nothing outside it is read. (default: this one)",
        show_default=False,
    ),
]
Continue = Annotated[
    bool, typer.Option("--continue", help="Go on with conversation ID, without one with the last.", show_default=False)
]
Conversation = Annotated[
    str | None, typer.Argument(metavar="ID", help="Of a conversation, for --continue.", show_default=False)
]
Listed = Annotated[bool, typer.Option("--list", help="List the conversations of the workspace.", show_default=False)]

WEB = "In the browser"
Web = Annotated[
    bool, typer.Option("--web", rich_help_panel=WEB, help="Serve the chat, and print the link that opens it.")
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="NAME", rich_help_panel=WEB, show_default=False,
                 help="Address to listen at. (default: 127.0.0.1, which this machine alone reaches)"),
]  # fmt: skip
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, rich_help_panel=WEB, show_default=False,
                 help="Port to listen at; 0 for any that is free. (default: 8765)"),
]  # fmt: skip
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", rich_help_panel=WEB, help="Open no browser window.", show_default=False)
]


def chat(
    conversation: Conversation = None,
    go_on: Continue = False,
    listed: Listed = False,
    workspace: Workspace = ".",
    llm: opt.Llm = None,
    web: Web = False,
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
) -> int:
    """Say what shall come of a model, correct it, watch, ask why; everything is kept, and can be come back to."""
    from ...contracts import RequestError, load_settings
    from ..chat.desk import Desk
    from .chat_session import choose, print_conversations, talk
    from .paths import absolute

    if conversation is not None and not go_on:
        raise RequestError("a conversation's id goes with --continue; what you want of a model is said in the chat")
    if web and (go_on or listed):
        raise RequestError("--web shows all conversations; drop --continue and --list")
    if not web and (host is not None or port is not None or no_browser):
        raise RequestError("--host, --port and --no-browser go with --web")
    settings = load_settings()
    if llm is not None:
        settings = settings.model_copy(update={"llm_name": llm})
    if web:
        from ..web.serve import DEFAULT_PORT, serve

        port = DEFAULT_PORT if port is None else port
        return serve(settings, absolute(workspace, "--workspace"), host or "127.0.0.1", port, browser=not no_browser)
    with Desk(settings, absolute(workspace, "--workspace")) as desk:
        if listed:
            print_conversations(desk.list())
            return 0
        return talk(choose(desk, go_on, conversation))
