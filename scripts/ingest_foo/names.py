"""Who wears the straps, asked of the API now and then, for the table."""

import threading
from collections.abc import Callable

import httpx

ASK_EVERY_S = 5.0
MOST = 1000


class Names(threading.Thread):
    """Device ids and names of those who are registered; what was known stays where the API is away."""

    def __init__(self, url: str, stopping: threading.Event) -> None:
        super().__init__(name="names", daemon=True)
        self.by_device: dict[str, str] = {}
        self._url = url
        self._stopping = stopping

    def run(self) -> None:
        """As `threading.Thread.run`."""
        with httpx.Client(base_url=self._url, timeout=2.0) as client:
            while not self._stopping.wait(ASK_EVERY_S):
                self.by_device = {**self.by_device, **_ask(client.get)}


def _ask(get: Callable[..., httpx.Response]) -> dict[str, str]:
    try:
        answer = get("/api/getLatestUserHeartRates", params={"limit": MOST, "max_age_seconds": 3600})
        answer.raise_for_status()
        entries = answer.json()["entries"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return {entry["device_id"]: entry["user_name"] for entry in entries if entry["user_id"]}
