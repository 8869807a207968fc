"""Keys of Moose and of the proxy before it: from the environment only, as everybody may read a process's options."""

import os
import re
from collections.abc import Generator, Mapping

import httpx

INGEST, API = "BEATSTREAM_INGEST_TOKEN", "BEATSTREAM_API_TOKEN"


class KeyFormatError(Exception):
    """A key cannot be sent. The text names its variable, and nothing of the key."""


class Bearer(httpx.Auth):
    """Moose's way (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """As `httpx.Auth.auth_flow`."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def key(variable: str, environment: Mapping[str, str] = os.environ) -> httpx.Auth | None:
    """How to say who one is: Moose's token, or NAME:PASSWORD at a proxy (RFC 7617). None: not at all.

    Raises `KeyFormatError`.
    """
    given = environment.get(variable, "").strip()
    if not given:
        return None
    if not re.fullmatch(r"[!-~]+", given):
        raise KeyFormatError(f"{variable}: has characters that no key has")
    name, colon, password = given.partition(":")
    return httpx.BasicAuth(name, password) if colon else Bearer(given)


def without_password(url: str) -> str:
    """An address as it may be shown."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b""))
    except httpx.InvalidURL:
        return re.sub(r"//[^/]*@", "//", url)
