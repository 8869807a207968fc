"""The changes to Moose's runner: what is left out, and what is not."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import moose_lib
import pytest
from moose_lib.commons import CliLogData, EnhancedJSONEncoder

from app.datamodels.unified_hr_packet import UnifiedHRPacket
from app.moose_runner import RUNNER, make_fast

RECORD = UnifiedHRPacket(
    user_id=7,
    user_name="Ada",
    device_id="863436",
    hr_timestamp_seconds=1_790_000_000.25,
    hr_value=None,
    rr_interval_ms=float("nan"),
    rr_computed=False,
    revision=0,
    processed_timestamp=datetime(2026, 11, 24, 10, 0, 0, 123_000, UTC),
)


@pytest.fixture
def runner() -> ModuleType:
    module = ModuleType("runner")
    lines: list[Any] = []
    module.__dict__.update(lines=lines, log=lines.append, cli_log=lines.append, json=json)
    make_fast(module)
    return module


def test_only_the_lines_of_single_messages_are_left_out(runner: ModuleType) -> None:
    runner.log("Message partition=0 offset=17")
    runner.cli_log(CliLogData(action="Received", message="a -> b 1 message(s)"))
    assert runner.lines == []
    runner.log("Consumer ready with 1 partition(s)")
    runner.cli_log(CliLogData(action="DeadLetter", message="sent", message_type=CliLogData.ERROR))
    assert len(runner.lines) == 2


def test_records_are_written_as_before(runner: ModuleType) -> None:
    fast = json.loads(runner.json.dumps(RECORD, cls=EnhancedJSONEncoder))
    before = json.loads(json.dumps(RECORD, cls=EnhancedJSONEncoder))
    # What is no number is null, and moments are the same moments.
    assert fast.pop("rr_interval_ms") is None
    assert before.pop("rr_interval_ms") != before.get("rr_interval_ms")
    moments = [datetime.fromisoformat(each.pop("processed_timestamp")) for each in (fast, before)]
    assert moments == [RECORD.processed_timestamp] * 2
    assert fast == before
    assert runner.json.loads(runner.json.dumps({"a": datetime(2026, 1, 1, tzinfo=UTC)}, cls=EnhancedJSONEncoder))


def test_moose_still_has_what_is_changed() -> None:
    source = (Path(moose_lib.__file__).parent / "streaming" / f"{RUNNER}.py").read_text()
    assert re.search(r'log\(\s*f"Message partition=', source)
    assert re.search(r'cli_log\(\s*CliLogData\(\s*action="Received"', source)
    assert re.search(r"json\.dumps\(\s*item, cls=EnhancedJSONEncoder", source)
