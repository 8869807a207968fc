"""Who wears a strap, as the table tells it."""

import threading
from typing import Any

import httpx

from scripts.ingest_foo.names import Names


def entry(device_id: str, user_id: int, name: str, at: float) -> dict[str, Any]:
    return {"device_id": device_id, "user_id": user_id, "user_name": name, "hr_timestamp_seconds": at}


def told(names: Names, *entries: dict[str, Any]) -> dict[str, str | None]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"entries": list(entries)}, request=request)

    with httpx.Client(base_url="http://server", transport=httpx.MockTransport(answer)) as client:
        names.ask(client)
    return names.by_device


def names() -> Names:
    return Names("http://server", threading.Event())


def test_the_newest_wearer_counts_whoever_has_the_higher_heart_rate() -> None:
    """The API answers with one entry a person, the highest heart rate first."""
    ada, bram = entry("863436", 7, "Ada", 100.0), entry("863436", 8, "Bram", 200.0)
    assert told(names(), ada, bram) == {"863436": "Bram"}
    assert told(names(), bram, ada) == {"863436": "Bram"}


def test_a_strap_that_was_handed_back_is_nobodys() -> None:
    asked = names()
    assert told(asked, entry("863436", 7, "Ada", 100.0)) == {"863436": "Ada"}
    assert told(asked, entry("863436", 7, "Ada", 100.0), entry("863436", 0, "Strap 863436", 200.0)) == {"863436": None}


def test_what_was_known_stays_where_nothing_is_answered() -> None:
    asked = names()
    told(asked, entry("863436", 7, "Ada", 100.0))
    assert told(asked) == {"863436": "Ada"}
    with httpx.Client(base_url="http://server", transport=httpx.MockTransport(lambda _: httpx.Response(500))) as client:
        asked.ask(client)
    assert asked.by_device == {"863436": "Ada"}
