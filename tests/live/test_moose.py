"""What the wall asks of Moose, with its keys."""

import asyncio

import pytest

from live.moose import Moose, MooseRefusedError
from tests.ingest_server import Ingest


def test_each_kind_of_door_gets_its_own_key(ingest: Ingest) -> None:
    ingest.keys = {"POST": "Bearer write.1", "GET": "Bearer read.2"}

    async def play() -> None:
        moose = Moose(ingest.url, "write.1", "read.2")
        await moose.ingest("person_profile", [{"user_id": 1}])
        assert await moose.entries("getPeople") == []
        await moose.close()
        keyless = Moose(ingest.url)
        with pytest.raises(MooseRefusedError, match="Unauthorized"):
            await keyless.ingest("person_profile", [{"user_id": 2}])
        assert not await keyless.answers()
        await keyless.close()

    asyncio.run(play())
    assert ingest.taken == [("/ingest/person_profile", {"user_id": 1})]
