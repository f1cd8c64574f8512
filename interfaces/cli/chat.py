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


def chat(
    conversation: Conversation = None,
    go_on: Continue = False,
    listed: Listed = False,
    workspace: Workspace = ".",
    llm: opt.Llm = None,
) -> int:
    """Say what shall come of a model, correct it, watch, ask why; everything is kept, and can be come back to."""
    from ...contracts import RequestError, load_settings
    from ..chat.desk import Desk
    from .chat_session import choose, print_conversations, talk
    from .paths import absolute

    if conversation is not None and not go_on:
        raise RequestError("a conversation's id goes with --continue; what you want of a model is said in the chat")
    settings = load_settings()
    if llm is not None:
        settings = settings.model_copy(update={"llm_name": llm})
    with Desk(settings, absolute(workspace, "--workspace")) as desk:
        if listed:
            print_conversations(desk.list())
            return 0
        return talk(choose(desk, go_on, conversation))
