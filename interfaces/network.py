"""What every server of ours does at the network's edge: a port of its own, a token, the names it answers to."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from ..contracts import RequestError
from .text import clean

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def new_token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def is_same(given: str | None, token: str) -> bool:
    """Tell whether `given` is the token, in a time that says nothing about how much of it is right."""
    return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens at `host`."""
    return host in _LOOPBACK or _address(host, "is_loopback")


def is_own_name(given: str, host: str) -> bool:
    """Tell whether a server that is bound to `host` answers to `given`, as a `Host` header has it.

    A page of another site that has its name point here (DNS rebinding) speaks to that name, so names are checked and
    addresses, which cannot be pointed elsewhere, are not. Ports are left open: a tunnel may have another.
    """
    name = _name(given)
    if name in _LOOPBACK or name == host:
        return True
    if is_loopback(host):
        return _address(name, "is_loopback")
    return _address(name) or name in _names()


def address_of(host: str, port: int) -> str:
    """Return the address at which this machine reaches what is bound to `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


@contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """Yield a socket that accepts connections already; port 0 takes any that is free.

    Raises:
        RequestError: the port is in use or may not be used, or the address is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError, OverflowError) as error:
        raise RequestError(f"--host {clean(host, 80)!r} is no address of this machine ({clean(error, 100)})") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            raise RequestError(_why_not(error, host, port)) from error
        yield listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; give another with --port, or --port 0 for any that is free"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used ({error.strerror}); give one above 1023 with --port"
    return f"--host {clean(host, 80)!r} cannot be listened at ({error.strerror}); give an address of this machine"


def _name(host: str) -> str:
    """Return the name or address in a `Host` header, nothing where it holds none."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


@cache
def _names() -> frozenset[str]:
    """Return the names of this machine; asking for them may take seconds."""
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def _address(name: str, kind: str | None = None) -> bool:
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    return kind is None or bool(getattr(found, kind))
