"""New connections to the Redis servers: each ingest makes two."""

import pytest
from redis import utils

from symbolon_server.redis_servers.servers import connect


def test_a_connection_tells_who_it_is_without_reading_the_metadata_of_a_package(
    redis_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> str:
        raise AssertionError("the metadata of redis-py was read")

    monkeypatch.setattr(utils, "get_lib_version", read)
    with connect(redis_store_url) as client:
        assert "symbolon" in [entry["name"] for entry in client.client_list()]
