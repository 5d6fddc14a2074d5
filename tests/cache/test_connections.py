"""New connections to the Redis servers: each ingest makes two."""

import pytest
import redis
from redis import utils

from symbolon_server.cache.servers import connect


def test_a_connection_tells_who_it_is_without_reading_the_metadata_of_a_package(
    redis_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> str:
        raise AssertionError("the metadata of redis-py was read")

    monkeypatch.setattr(utils, "get_lib_version", read)
    with connect(redis_store_url) as client:
        told = {entry["name"]: entry.get("lib-ver") for entry in client.client_list()}
        (is_known,) = client.execute_command("COMMAND", "INFO", "client|setinfo")  # Redis 7.2
    assert told["symbolon"] == (redis.__version__ if is_known else None)
