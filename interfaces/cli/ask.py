"""Ask a person on the terminal; where there is none, say how to answer."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from ...contracts import Answer, Interrupted, Question, RequestError, edits_between
from ..answers import read_answer
from ..questions import question_lines
from .console import say

if TYPE_CHECKING:
    from ...agents.service import Service

PROMPT = "> "


def ask(service: Service, run: str, question: Question, as_json: bool) -> None:
    """Show a question and record its answer; a wrong one is asked again.

    Raises:
        Interrupted: there is nobody to ask, or nobody answered.
        KeyboardInterrupt: Ctrl-C at the prompt.
    """
    for line in question_lines(question):
        say(line)
    while True:
        text = None if as_json else _typed()
        if text is None:
            raise Interrupted(how_to_answer(run), details={"run": run, "question": question.model_dump(mode="json")})
        try:
            answer = read_answer(text, person(), question.request)
            service.answer(run, answer)
        except RequestError as error:
            say(error.message, style="red")
            # Somebody else may have answered meanwhile: then there is nothing left to ask.
            if service.question(run) != question:
                raise
        else:
            tell_edits(question, answer)
            return


def tell_edits(question: Question, answer: Answer) -> None:
    """Say what an answer changes: words may have been read otherwise than they were meant."""
    for edit in edits_between(question.request, answer.changes.applied_to(question.request)):
        say(f"edited: {edit.text()}")


def how_to_answer(run: str) -> str:
    """Return the line that says how a run that waits is answered."""
    words = shlex.join(["shipfit", "resume", run, "--answer"])
    return f"run {run} waits for an answer; give it with: {words} 'go' (or 'reject', 'stop', 'max_size 8MB')"


def person() -> str:
    """Return who answers here, as the operating system knows it."""
    import getpass

    try:
        return getpass.getuser()[:100]
    except (KeyError, OSError):  # a user without a name, as in many containers
        return "person"


def _typed() -> str | None:
    """Return the next line from the terminal, None where there is no terminal or its end was reached."""
    if not sys.stdin.isatty():
        return None
    sys.stderr.write(PROMPT)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stderr.write("\n")
        return None
    return line
