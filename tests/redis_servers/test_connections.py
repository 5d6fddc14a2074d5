"""New connections to the Redis servers, of which each ingest opens two."""

import pytest
from redis import utils

from symbolon_server.redis_servers.servers import connect


def test_a_connection_sets_its_name_without_reading_package_metadata(
    redis_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> str:
        raise AssertionError("the metadata of redis-py was read")

    monkeypatch.setattr(utils, "get_lib_version", read)
    with connect(redis_store_url) as client:
        assert "symbolon" in [entry["name"] for entry in client.client_list()]
