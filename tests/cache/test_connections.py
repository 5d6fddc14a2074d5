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
        major, minor, _ = client.info("server")["redis_version"].split(".")
    can_be_told = (int(major), int(minor)) >= (7, 2)
    assert told["symbolon"] == (redis.__version__ if can_be_told else None)
