"""One call of a tool: whom it tells how far it is, and whom it may ask. The protocol's library stays behind this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ...contracts import Answer, Contract, Question, RequestError
from ..answers import HOW, read_answer
from ..questions import question_lines
from ..text import clean

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

_ASKED = "answer"
# Who answers three times what cannot be read is asked no more by this call; the run waits on.
_MOST_ROUNDS = 3
_LEAST = 0.001
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        _ASKED: {
            "type": "string",
            "title": "Answer",
            "description": f"Write {HOW}",
            "minLength": 1,
            "maxLength": 2000,
        }
    },
    "required": [_ASKED],
}


class NeedsInput(Exception):
    """The call ends here and comes again with what its user answered."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__()
        self.result = result


class Asked(Contract):
    """What a client hands back unread, to say which question its answer is to. It gives no right to anything."""

    run: str
    question: str


class Call:
    """A call in the hands of a tool."""

    def __init__(self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> None:
        self._session = context.session
        self._is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        self._id = context.request_id
        self._params = params
        self._told = 0.0

    @property
    def who(self) -> str:
        """How the client calls itself."""
        client = self._session.client_params
        return clean(client.client_info.name, 80) if client else "an MCP client"

    @property
    def can_ask(self) -> bool:
        """Whether the client can put a question to a person, in a form."""
        capabilities = self._session.client_capabilities
        asks = capabilities.elicitation if capabilities else None
        return asks is not None and (asks.form is not None or asks.url is None)

    async def tell(self, done: float, total: float, text: str) -> None:
        """Tell how far it is, if the client wants to know; each time it is a little further, as the protocol asks."""
        self._told = max(done, self._told + _LEAST)
        await self._session.report_progress(self._told, max(total, self._told), text)

    def came_back(self) -> tuple[Asked, str | None] | None:
        """Return the question that this call brings an answer to, and the answer: None where it was declined.

        Raises:
            RequestError: what came back is not what was handed out.
        """
        if self._params.request_state is None:
            return None
        try:
            asked = Asked.model_validate_json(self._params.request_state)
        except ValidationError as error:
            raise RequestError("requestState is not what was handed out; call the tool `answer`") from error
        found = (self._params.input_responses or {}).get(_ASKED)
        return asked, _accepted(found) if isinstance(found, ElicitResult) else None

    async def ask(self, run: str, question: Question, problem: str = "") -> Answer | None:
        """Return what a person answers; None where nobody can be asked, or nobody answered.

        Args:
            run: that asks.
            question: what it asks.
            problem: why an earlier answer could not be taken.

        Raises:
            NeedsInput: the client must ask and call again.
        """
        if not self.can_ask:
            return None
        for _ in range(_MOST_ROUNDS):
            form = _form(question, problem)
            if self._is_modern:
                raise NeedsInput(
                    InputRequiredResult(
                        input_requests={_ASKED: ElicitRequest(params=form)},
                        request_state=Asked(run=run, question=question.id).model_dump_json(),
                    )
                )
            try:
                text = _accepted(await self._session.elicit_form(form.message, form.requested_schema, self._id))
            except MCPError:  # the client says that it can ask, and does not
                return None
            if text is None:
                return None
            try:
                return read_answer(text, self.who, question.request)
            except RequestError as error:
                problem = error.message
        return None


def _form(question: Question, problem: str) -> ElicitRequestFormParams:
    lines = [clean(line, 1000) for line in question_lines(question)]
    return ElicitRequestFormParams(
        message="\n".join([*([clean(problem, 500)] if problem else []), *lines]), requested_schema=_FORM
    )


def _accepted(result: ElicitResult) -> str | None:
    content: Mapping[str, Any] = result.content or {}
    text = content.get(_ASKED)
    return text if result.action == "accept" and isinstance(text, str) else None
