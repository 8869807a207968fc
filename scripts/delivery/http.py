"""The ingest API as a sink."""

import threading
from collections.abc import Callable

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_never,
    stop_when_event_set,
    wait_random_exponential,
)

from scripts.delivery.keys import INGEST, without_password
from scripts.delivery.sink import PEOPLE, ServerGoneError, SinkError

TIMEOUT_S = 10.0
LONGEST_PAUSE_S = 5.0


_OF_A_PROXY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
"""Who answers so reaches no server behind it, or is one that has just started."""


class _Unavailable(Exception):  # noqa: N818 (a state of the server)
    """The server did not take a request, and may take it later."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"HTTP {answer.status_code}: {answer.text.strip()[:200]}")
        self.gone = answer.status_code in _OF_A_PROXY


class HttpSink:
    """POSTs arrays to the ingest API over a kept-alive connection; retries with backoff, isolates what is refused.

    Args:
        url: Where Moose answers.
        on_rejected: Told each record that was refused, and why; the others of its batch arrive.
        give_up_after_s: How long to try one request again; None: until `stopping` is set.
        on_retry: Told why something has to be sent again.
        stopping: Setting it ends the waiting between tries.
        auth: Moose's key, or the proxy's.
    """

    def __init__(
        self,
        url: str,
        on_rejected: Callable[[str, str], None],
        *,
        give_up_after_s: float | None = 60.0,
        on_retry: Callable[[str], None] | None = None,
        stopping: threading.Event | None = None,
        auth: httpx.Auth | None = None,
    ) -> None:
        self.retries = 0
        self._url = without_password(url)
        self._on_rejected = on_rejected
        self._on_retry = on_retry
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, auth=auth)
        stopped = stopping or threading.Event()
        self._retrying = Retrying(
            retry=retry_if_exception_type((_Unavailable, httpx.TransportError)),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S),
            stop=(stop_never if give_up_after_s is None else stop_after_delay(give_up_after_s))
            | stop_when_event_set(stopped),
            sleep=sleep_using_event(stopped),
            before_sleep=self._count_retry,
            reraise=True,
        )

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`. A refused array is halved until the record that is wrong stands alone."""
        if not batch:
            return
        try:
            refusal = self._retrying(self._post, destination, batch)
        except (_Unavailable, httpx.TransportError) as error:
            if isinstance(error, _Unavailable):
                gone = error.gone
            else:
                gone = isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError))
            raise (ServerGoneError if gone else SinkError)(f"{self._url} takes nothing: {error}") from error
        if refusal is None:
            return
        if len(batch) == 1:
            self._on_rejected(batch[0], refusal)
            return
        half = len(batch) // 2
        self.send(destination, batch[:half])
        self.send(destination, batch[half:])

    def settle(self) -> None:
        """As `Sink.settle`: each answer has been awaited already."""

    def close(self) -> None:
        """As `Sink.close`."""
        self._client.close()

    def _post(self, destination: str, batch: list[str]) -> str | None:
        answer = self._client.post(
            f"/ingest/{destination}", content=f"[{','.join(batch)}]", headers={"Content-Type": "application/json"}
        )
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE or (
            # A page is a proxy's: it refuses the request, such as one without TLS, and no record.
            answer.status_code == httpx.codes.BAD_REQUEST and not _is_page(answer)
        ):
            return answer.text.strip()
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _Unavailable(answer)
        if answer.status_code == httpx.codes.FORBIDDEN and destination in PEOPLE:
            # A receiver's key is for packets only (deploy/nginx): these will never be taken, what comes after them is.
            for record in batch:
                self._on_rejected(record, f"{self._url} takes no {destination} from here: HTTP 403")
            return None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise SinkError(f"{self._url} wants another key, or one at all: HTTP {answer.status_code} (see {INGEST})")
        if not answer.is_success:
            raise SinkError(f"{self._url}/ingest/{destination}: HTTP {answer.status_code}: {answer.text.strip()[:200]}")
        return None

    def _count_retry(self, state: RetryCallState) -> None:
        self.retries += 1
        if self._on_retry is not None and state.outcome is not None:
            self._on_retry(f"{self._url}: {state.outcome.exception()}")


def _is_page(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("content-type", "").startswith("text/html"))
