"""What the page sends: read up to a bound, and checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request as HttpRequest

from ...contracts import MAX_SAID, Contract, validate
from .uploads import TooLarge

# JSON may write each character in six bytes.
MAX_BODY_BYTES = 8 * MAX_SAID
# So much is read to its end before it is refused: who is cut off while sending does not read why.
_HEARD_OUT_BYTES = 32 * 2**20

B = TypeVar("B", bound=Contract)


class Message(Contract):
    """Words, and the paths of a model and data in the workspace."""

    text: str = ""
    model: Annotated[str, Field(max_length=1000)] | None = None
    data: Annotated[str, Field(max_length=1000)] | None = None


class Reply(Contract):
    """An answer to the question that a run waits with; who wants something changed says so in a message."""

    action: Literal["go", "reject", "stop"]


def body_of(kind: type[B]) -> Callable[[HttpRequest], Coroutine[Any, Any, B]]:
    """Return what reads a request's JSON as a `kind`.

    Raises:
        RequestError: it is too long, no JSON, or something else.
    """

    async def read(request: HttpRequest) -> B:
        return validate(kind, _parsed(await _bounded(request.stream())))

    return read


def _parsed(raw: bytes) -> Any:
    from pydantic_core import from_json

    from ...contracts import RequestError

    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise RequestError("that is no JSON document") from error


async def _bounded(chunks: AsyncIterator[bytes]) -> bytes:
    kept, size = bytearray(), 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            kept += chunk
        elif size > _HEARD_OUT_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise TooLarge(f"a message holds up to {MAX_SAID:,} characters; send less, and files as files")
    return bytes(kept)
