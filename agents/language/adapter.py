"""Between a DSPy signature and a provider: the schema goes with the question, an answer is checked and mended once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import dspy
from dspy import lm15

from ...contracts import LanguageModelError
from .failures import EmptyAnswer, told_by
from .schema import answer_type, parse_answer, response_format, strict_schema

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .wire import Message, Wire

_MAX_SENT_BACK = 2000


class Engine:
    """What `dspy.LM` sends its requests through: one wire, text only.

    DSPy 3.4's own engine, and litellm behind it, send no `response_format` for a model that their tables do not know,
    such as one of a local server; this one leaves that to the wire.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def complete(self, request: Any) -> Any:
        """Return the answer to one `lm15.Request`."""
        text = self.wire.ask(_messages(request), request.config.response_format)
        return lm15.Response(
            id=None, model=request.model, message=lm15.Message.assistant(text), finish_reason="stop", usage=lm15.Usage()
        )


def language_model(name: str, wire: Wire) -> Any:
    """Return the `dspy.LM` of a run: no cache (DSPy's unpickles), no retries of its own (the wire has them)."""
    return dspy.LM(name, engine=Engine(wire), cache=False, num_retries=0)


class StructuredAdapter(dspy.JSONAdapter):
    """Asks for one JSON object with the output fields of a signature.

    Where the provider holds answers to a schema, it is sent the schema and the prompt is short; elsewhere the schema
    stands in the prompt. An answer that does not fit is sent back once, with what is wrong with it.
    """

    def __init__(self, wire: Wire, repaired: Callable[[], None]) -> None:
        super().__init__(use_native_function_calling=False)
        self._wire = wire
        self._repaired = repaired

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the values of the output fields.

        Raises:
            LanguageModelError: no answer, or none that fits after one repair.
        """
        kind = answer_type(signature)
        messages = cast("list[Message]", self.format(signature, demos, inputs))
        said, wrong = self._ask(lm, kind, messages)
        if not wrong:
            return [parse_answer(kind, said)]
        back: list[Message] = [{"role": "assistant", "content": said[:_MAX_SENT_BACK] or "(empty)"}]
        back.append({"role": "user", "content": f"That does not fit: {wrong}. {_wanted(kind)}"})
        said, wrong = self._ask(lm, kind, [*messages, *back])
        if wrong:
            raise LanguageModelError(f"the answer does not fit, nor does its repair: {wrong}")
        self._repaired()
        return [parse_answer(kind, said)]

    def _ask(self, lm: Any, kind: type[BaseModel], messages: Sequence[Message]) -> tuple[str, str]:
        """Return an answer and what is wrong with it, if anything."""
        # The schema stands in the prompt too where the provider may not hold the answer to it.
        asked = messages if self._wire.constrains else [*messages[:-1], _with_schema(messages[-1], kind)]
        try:
            said = lm(_request(lm.model, asked, kind)).message.text or ""
        except dspy.LMError as error:
            cause = told_by(error)
            if isinstance(cause, EmptyAnswer):
                return "", cause.message
            raise cause or error from error
        try:
            parse_answer(kind, said)
        except ValueError as error:
            return said, str(error)
        return said, ""

    def format_system_message(self, signature: Any) -> str:
        """Say what is asked, what the fields mean, and that one JSON object is wanted."""
        wanted = "Answer with one JSON object that holds the output fields, and nothing else."
        return f"{signature.instructions}\n\n{self.format_field_description(signature)}\n\n{wanted}"

    def user_message_output_requirements(self, signature: Any) -> str:
        """Name the fields once more, after the inputs: small models forget them."""
        return f"Answer with a JSON object with {', '.join(f'`{name}`' for name in signature.output_fields)}."


def _request(model: str, messages: Sequence[Message], kind: type[BaseModel]) -> Any:
    system = next((item["content"] for item in messages if item["role"] == "system"), None)
    turns = {"user": lm15.Message.user, "assistant": lm15.Message.assistant}
    said = [turns[item["role"]](item["content"]) for item in messages if item["role"] in turns]
    return lm15.Request(
        model=model, messages=tuple(said), system=system, config=lm15.Config(response_format=response_format(kind))
    )


def _messages(request: Any) -> list[Message]:
    """Return a canonical request as chat messages; everything that is asked here is text."""
    first = [{"role": "system", "content": str(request.system)}] if request.system else []
    return [*first, *({"role": item.role, "content": item.text or ""} for item in request.messages)]


def _with_schema(message: Mapping[str, str], kind: type[BaseModel]) -> Message:
    return {"role": message["role"], "content": f"{message['content']}\n\n{_wanted(kind)}"}


def _wanted(kind: type[BaseModel]) -> str:
    return f"Answer with nothing but a JSON object of this schema: {json.dumps(strict_schema(kind))}"
