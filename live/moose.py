"""Moose over HTTP: its APIs to read, its ingest to write."""

from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

TIMEOUT_S = 10.0
KEEP_TRYING_S = 5.0


class MooseError(Exception):
    """Moose did not do what was asked; the text says why."""


class MooseUnavailableError(MooseError):
    """Moose does not answer."""


class MooseRefusedError(MooseError):
    """Moose says that what was sent is wrong."""


class Moose:
    """A client. Close it.

    Args:
        url: Where it answers.
        ingest_token: Its key for what is written; none: it wants none.
        api_token: Likewise for what is read.
    """

    def __init__(self, url: str, ingest_token: str | None = None, api_token: str | None = None) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S)
        self._headers = {"POST": _authorization(ingest_token), "GET": _authorization(api_token)}

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def entries(self, api: str, **parameters: Any) -> list[dict[str, Any]]:
        """The entries of an API's answer. Raises `MooseError`."""
        given = {name: value for name, value in parameters.items() if value is not None}
        answer = await self._ask("GET", f"/api/{api}", params=given)
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    async def ingest(self, name: str, records: list[dict[str, Any]]) -> None:
        """Send records; tried again for some seconds where Moose is away. Raises `MooseError`."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(MooseUnavailableError),
            wait=wait_random_exponential(multiplier=0.1, max=1),
            stop=stop_after_delay(KEEP_TRYING_S),
            reraise=True,
        )
        await retrying(self._ask, "POST", f"/ingest/{name}", json=records)

    async def answers(self) -> bool:
        """Whether an API has an answer, and so a database. Moose's /health calls healthy parts ill at times."""
        try:
            await self.entries("getSessions", limit=1)
        except MooseError:
            return False
        return True

    async def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, headers=self._headers[method], **given)
        except httpx.HTTPError as error:
            raise MooseUnavailableError("Moose does not answer") from error
        if answer.is_server_error:
            raise MooseUnavailableError(f"Moose answers {answer.status_code}")
        if not answer.is_success:
            raise MooseRefusedError(_reason(answer))
        return answer


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])[:500]
    except (ValueError, LookupError, TypeError):  # its ingest answers text
        return " ".join(answer.text.split())[:500]


def _authorization(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
