import pytest
import redis

from symbolon_server.redis_servers.servers import ServerUnreachableError, connect
from symbolon_server.store.key_counts import KeyCounts, count_keys


def put(client: redis.Redis, modules: int, pages: int) -> None:
    names = [f"symbol:a.pdb/{number:033X}" for number in range(modules)]
    names += [f"page:a.pdb/{number:033X}:1-0:0" for number in range(pages)]
    client.mset(dict.fromkeys(names, b"x"))


@pytest.mark.usefixtures("clear_redis_store")
def test_an_empty_store_holds_nothing(redis_store: redis.Redis) -> None:
    assert count_keys(redis_store) == KeyCounts(0, 0, is_estimated=False)


@pytest.mark.usefixtures("clear_redis_store")
def test_the_keys_of_a_small_store_are_counted(redis_store: redis.Redis) -> None:
    put(redis_store, modules=30, pages=700)
    redis_store.set("somebody else's", b"")
    assert count_keys(redis_store) == KeyCounts(30, 700, is_estimated=False)


@pytest.mark.usefixtures("clear_redis_store")
def test_many_keys_are_estimated_from_a_sample(redis_store: redis.Redis) -> None:
    put(redis_store, modules=4_000, pages=16_000)
    held = count_keys(redis_store, sample_keys=2_000)
    assert held.is_estimated
    assert held.modules == pytest.approx(4_000, rel=0.2)
    assert held.pages == pytest.approx(16_000, rel=0.1)


def test_a_store_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1:1"):
        count_keys(connect("redis://user:hunter2@127.0.0.1:1"))
