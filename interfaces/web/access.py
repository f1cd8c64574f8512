"""Who may ask: whoever holds the token, from a page that this server gave."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SAFE = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    text: str


def new_token() -> str:
    """Return 256 random bits as text for a link."""
    return secrets.token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens at `host`."""
    return host in _LOOPBACK or _address(host, "is_loopback")


@dataclass(frozen=True)
class Access:
    """The token, and the names under which this server may be spoken to.

    A page of another site that has its name point here (DNS rebinding) speaks to that name, so names are checked and
    addresses, which cannot be pointed elsewhere, are not. Ports are left open: a tunnel may have another.

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
        name = "localhost" if self.host == "localhost" else _reachable(self.host)
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}/?token={self.token}"

    def admits(self, given: str | None) -> bool:
        """Tell whether `given` is the token, in a time that says nothing about how much of it is right."""
        return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Return why a request with the right token is refused all the same, None where it is not."""
        if not self._is_own(headers.get("host", "")):
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

    def _is_own(self, given: str) -> bool:
        name = _name(given)
        if name in _LOOPBACK or name == self.host:
            return True
        if is_loopback(self.host):
            return _address(name, "is_loopback")
        return _address(name) or name in {socket.gethostname().lower(), socket.getfqdn().lower()}


def _name(host: str) -> str:
    """Return the name or address in a `Host` header, nothing where it holds none."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _address(name: str, kind: str | None = None) -> bool:
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    return kind is None or bool(getattr(found, kind))


def _reachable(host: str) -> str:
    """Return an address of this machine where `host` stands for all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
