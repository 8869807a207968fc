"""What a parameter holds is a value, whatever it looks like: attempts to make SQL of it, on every parameter."""

from datetime import UTC, datetime, timedelta

import pytest
from moose_lib.dmv2.registry import get_apis

import app.main  # noqa: F401 (declares every API)
from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.packets import beats, rfc3339

VICTIM, STRAP = 9301, "793001"
NAME = "Vera Victim"

ATTACKS = (
    "'",
    "\\",
    "\\'",
    "' OR '1'='1",
    "' OR 1=1 -- ",
    "') OR 1=1 /*",
    "\\') OR 1=1 -- ",
    "x'] OR 1=1 -- ",
    "1; DROP TABLE unified_hr_packet",
    "'; TRUNCATE TABLE person_profile; -- ",
    "' UNION ALL SELECT * FROM person_profile -- ",
    "0 UNION ALL SELECT user_id, user_name FROM strap_assignment",
    "{users:String}",
    "{people:Array(String)}",
    "%(user_name)s",
    "$1 ? :user %s",
    "${jndi:ldap://127.0.0.1/x}",
    "\x00",
    "a\x00' OR 1=1",
    "\u02bc OR 1=1",  # what some databases turn into an apostrophe
    "\uff07 OR 1=1",
    "' OR sleep(3) -- ",
    "url('http://127.0.0.1:1/')",
    "\ud7ff\U0001f493' OR 1=1",
    "'" * 3000,
)
NECESSARY = {"timestamp": "2026-11-20T10:00:10Z", "user_id": str(VICTIM), "table": "unified_hr_packet"}
"""For the parameters that an API cannot do without."""

PARAMETERS = [(name, parameter) for name, api in get_apis().items() for parameter in api.model_type.model_fields]


@pytest.fixture(scope="module")
def victim(beatstream: Beatstream) -> Beatstream:
    """A stack on which somebody has beats that nobody here may get by an attack."""
    start = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
    assigned = {"device_id": STRAP, "user_id": VICTIM, "user_name": NAME, "assigned_at": rfc3339(start)}
    assert beatstream.post("strap_assignment", assigned).is_success
    assert beatstream.post("person_profile", {"user_id": VICTIM, "user_name": NAME, "hr_max": 188}).is_success
    assert beatstream.post("raw_ant_hr_packet", beats(STRAP, start + timedelta(seconds=1), 20)).is_success
    wait_for(lambda: beatstream.api("getLatestUserHeartRates", users=NAME), "the victim's beats", 30)
    beatstream.await_settled()
    return beatstream


def _stored(beatstream: Beatstream) -> list[tuple[object, ...]]:
    """Every table and how much it holds; what merges may change aside."""
    tables = beatstream.rows(
        "SELECT name, engine FROM system.tables WHERE database = 'local' AND engine LIKE '%Tree' ORDER BY name"
    )
    return [(name, engine, beatstream.rows(f"SELECT count() FROM local.{name} FINAL")) for name, engine in tables]


def test_no_parameter_is_forgotten() -> None:
    assert ("getLatestUserHeartRates", "users") in PARAMETERS
    assert len({name for name, _ in PARAMETERS}) >= 10


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_a_value_stays_a_value(victim: Beatstream, name: str, parameter: str) -> None:
    api = get_apis()[name]
    needed = {key: NECESSARY[key] for key, field in api.model_type.model_fields.items() if field.is_required()}
    for attack in ATTACKS:
        answer = victim.http.get(f"/api/{name}", params={**needed, parameter: attack})
        about = f"{name}?{parameter}={attack[:60]!r}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code in (200, 400), about
        if answer.status_code == 400:
            assert parameter in answer.text, about
        else:
            # Nobody and nothing is called that.
            assert answer.json() == {"entries": []}, about
        assert "DB::Exception" not in answer.text, about


def test_nothing_was_changed(victim: Beatstream) -> None:
    """Every attack at once, between two looks at the tables."""
    before = _stored(victim)
    for name, parameter in PARAMETERS:
        for attack in ATTACKS:
            if any(word in attack for word in ("DROP", "TRUNCATE", "UNION")):
                victim.http.get(f"/api/{name}", params={**NECESSARY, parameter: attack})
    assert _stored(victim) == before
    assert [entry["user_name"] for entry in victim.api("getLatestUserHeartRates", users=NAME)] == [NAME]


def test_a_name_that_looks_like_sql_comes_back_as_it_is(beatstream: Beatstream) -> None:
    names = [attack for attack in ATTACKS if "," not in attack and attack.isprintable() and attack == attack.strip()]
    names = [name for name in names if len(name) <= 60]
    start = datetime(2026, 11, 20, 11, 0, 0, tzinfo=UTC)
    straps = {str(793100 + at): name for at, name in enumerate(names)}
    for device_id, name in straps.items():
        assigned = {"device_id": device_id, "user_id": int(device_id), "user_name": name, "assigned_at": rfc3339(start)}
        assert beatstream.post("strap_assignment", assigned).is_success, name
        assert beatstream.post("raw_ant_hr_packet", beats(device_id, start, 3)).is_success
    beatstream.await_settled()
    for name in names:
        (entry,) = beatstream.api("getLatestUserHeartRates", users=name)
        assert entry["user_name"] == name
        (stats,) = beatstream.api("getUserHeartRateStats", user_name=name, start=rfc3339(start))
        assert stats["beat_count"] == 3
