"""Who may ask: whoever holds the token, from a page that this server gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from ..network import address_of, is_own_name, is_same, new_token

_SAFE = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    text: str


@dataclass(frozen=True)
class Access:
    """The token, and the names under which this server may be spoken to.

    Attributes:
        host, port: as the server is bound.
    """

    host: str
    port: int
    token: str = field(default_factory=new_token, repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies are shared by all ports of a host, so each server has one of its own."""
        return f"shipfit-{self.port}"

    @property
    def link(self) -> str:
        """The address that carries the token."""
        return f"{address_of(self.host, self.port)}/?token={self.token}"

    def admits(self, given: str | None) -> bool:
        """Tell whether `given` is the token, in a time that says nothing about how much of it is right."""
        return is_same(given, self.token)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Return why a request with the right token is refused all the same, None where it is not."""
        if not is_own_name(headers.get("host", ""), self.host):
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "this server does not answer to that name")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin != f"http://{headers['host']}":
            return Refusal(HTTPStatus.FORBIDDEN, "a page of another site asked for this")
        if method not in _SAFE and origin is None and site != "same-origin":
            return Refusal(HTTPStatus.FORBIDDEN, "what changes something must say where it comes from (Origin)")
        opened = method in _SAFE and path == "/" and headers.get("sec-fetch-mode") == "navigate"
        if site not in (None, "none", "same-origin") and not opened:
            return Refusal(HTTPStatus.FORBIDDEN, "a page of another site asked for this")
        return None
