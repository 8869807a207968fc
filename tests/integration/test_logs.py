"""Who wears what is nobody's business who reads a log."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import httpx
import pytest

from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.packets import beats

pytestmark = pytest.mark.stack

NAME = "Quorra Unlogged"


def test_no_log_names_anybody(beatstream: Beatstream) -> None:
    person = {"device_id": "871001", "user_id": 871_001, "user_name": NAME}
    assert beatstream.post("strap_assignment", person).is_success
    assert beatstream.post("person_profile", {"user_id": 871_001, "user_name": NAME, "hr_max": 190}).is_success
    assert beatstream.post(
        "raw_ant_hr_packet", beats("871001", datetime.now(UTC) - timedelta(seconds=20), 20)
    ).is_success
    # What goes wrong is what gets logged.
    assert beatstream.post("strap_assignment", {**person, "user_id": "x"}).status_code == 400
    for wrong in ({**person, "user_id": -1}, {**person, "user_name": NAME * 50}, {**person, "device_id": NAME}):
        beatstream.produce("strap_assignment", [json.dumps(wrong).encode()])
    beatstream.produce("person_profile", [json.dumps({"user_id": 871_001, "user_name": NAME, "hr_max": -1}).encode()])
    beatstream.await_settled()
    asked = {"user_name": NAME, "window_seconds": "600"}
    assert beatstream.http.get("/api/getUserHeartRateStats", params=asked).status_code == 200
    for wrong_span in ({"window_seconds": "x"}, {"window_seconds": "60", "start": "2026-11-27T10:00:00Z"}):
        wrong_asked = {"user_name": NAME, **wrong_span}
        assert beatstream.http.get("/api/getUserHeartRateStats", params=wrong_asked).status_code == 400
    assert beatstream.http.get("/api/getUserHeartRateStats", params={"user_name": NAME * 50}).status_code < 500
    assert beatstream.http.get("/api/nothing", params=asked).status_code == 404
    with httpx.Client(base_url=beatstream.live_url) as wall:
        wait_for(lambda: NAME in wall.get("/data/people").text, "the wall to know the person", 20)
        assert wall.get(f"/data/{NAME}").status_code == 404

    # Moose writes the one of its own folder, and what it prints goes to the launcher's.
    said = {log: log.read_text(errors="replace") for log in beatstream.folder.rglob("*.log*") if log.is_file()}
    assert {"moose.log", "live.log"} <= {log.name for log in said}
    assert any("strap_assignment" in text for text in said.values())
    assert not [(log, line) for log, text in said.items() for line in text.splitlines() if NAME in unquote_plus(line)]
