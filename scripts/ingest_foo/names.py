"""Who wears the straps, asked of the API now and then, for the table."""

import threading
from operator import itemgetter

import httpx

ASK_EVERY_S = 5.0
MOST = 1000


class Names(threading.Thread):
    """Device ids and who wears them; what was known stays where the API is away."""

    def __init__(self, url: str, stopping: threading.Event, auth: httpx.Auth | None = None) -> None:
        super().__init__(name="names", daemon=True)
        self.by_device: dict[str, str | None] = {}
        """None: nobody is registered. A strap that is not here has not been told of yet."""
        self._url = url
        self._auth = auth
        self._stopping = stopping

    def run(self) -> None:
        """As `threading.Thread.run`."""
        with httpx.Client(base_url=self._url, timeout=2.0, auth=self._auth) as client:
            while not self._stopping.wait(ASK_EVERY_S):
                self.ask(client)

    def ask(self, client: httpx.Client) -> None:
        """Ask once."""
        try:
            answer = client.get("/api/getLatestUserHeartRates", params={"limit": MOST, "max_age_seconds": 3600})
            answer.raise_for_status()
            # One entry a person: who wore a strap before is among them too, so the newest beat of the strap counts.
            entries = sorted(answer.json()["entries"], key=itemgetter("hr_timestamp_seconds"))
        except (httpx.HTTPError, ValueError, KeyError):
            return
        told = {entry["device_id"]: entry["user_name"] if entry["user_id"] else None for entry in entries}
        self.by_device = {**self.by_device, **told}
