"""HTTP to a language model's server: bounded in bytes, nothing unpacked, no redirects."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

import httpx

# No answer that is asked for here is longer than a few thousand tokens.
MAX_BYTES = 4 * 2**20


class TooLarge(httpx.ReadError):
    """The server sends more than any answer needs."""


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        left = MAX_BYTES
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"the server sent more than {MAX_BYTES // 2**20} MiB")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class BoundedTransport(httpx.BaseTransport):
    """Passes requests on and answers back, as long as the answer is of a size that a few tokens may have.

    Answers are asked for as they are: a packed one of a few kilobytes may unpack to gigabytes.
    """

    def __init__(self) -> None:
        self._inner: dict[str | None, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            httpx.DecodingError: the answer is packed although that was not asked for.
        """
        request.headers["accept-encoding"] = "identity"
        response = self._way_to(request.url).handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise httpx.DecodingError("the server sent a packed answer that was not asked for", request=request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream),
            extensions=response.extensions,
        )

    def close(self) -> None:
        for way in self._inner.values():
            way.close()

    def _way_to(self, url: httpx.URL) -> httpx.HTTPTransport:
        """Return the way to a server: by the proxy that the environment names for it, or straight."""
        proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
        if proxy not in self._inner:
            self._inner[proxy] = httpx.HTTPTransport(proxy=proxy, retries=0)
        return self._inner[proxy]


def open_client() -> httpx.Client:
    """Return a client of its own for one run."""
    return httpx.Client(transport=BoundedTransport(), follow_redirects=False)
