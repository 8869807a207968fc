"""Which worker a strap's packets go to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.heartrate.device_number import LARGEST
from app.heartrate.sharding import MOST_SHARDS, InvalidShards, parse_shards, stream_of_shard, stream_of_strap


@given(st.integers(1, LARGEST), st.integers(1, MOST_SHARDS))
def test_a_strap_belongs_to_one_of_the_shards(number: int, shards: int) -> None:
    streams = [stream_of_shard(shard) for shard in range(shards)]
    assert len(set(streams)) == shards
    assert stream_of_strap(number, shards) in streams
    assert streams[0] == "raw_ant_hr_packet"
    # Moose takes the first endpoint whose name the asked one begins.
    assert not any(other.startswith(name) for name in streams for other in streams if other != name)


def test_neighbours_are_divided_evenly() -> None:
    taken = [stream_of_strap(number, 4) for number in range(1000, 1040)]
    assert {taken.count(stream) for stream in set(taken)} == {10}


@pytest.mark.parametrize(("text", "shards"), [(None, 1), ("", 1), ("1", 1), ("64", 64)])
def test_the_setting_is_a_number(text: str | None, shards: int) -> None:
    assert parse_shards(text) == shards


@pytest.mark.parametrize("text", ["0", "65", "-1", "two", "1.5", "²"])
def test_another_setting_is_refused(text: str) -> None:
    with pytest.raises(InvalidShards, match="1 to 64"):
        parse_shards(text)
