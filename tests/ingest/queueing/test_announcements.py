"""Callbacks of the thread that receives announcements, while one of them raises."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from symbolon_server.ingest.queueing.announcements import Announcements
from symbolon_server.redis_servers.servers import connect
from symbolon_server.telemetry.lasting_threads import Vitals
from tests.fixtures.redis_fixtures import PATIENT, StartRedis
from tests.system.redis.redis_proxy import RedisProxy

SECONDS = 30.0


def fail(*_: object) -> None:
    raise KeyError("a defect")


@contextmanager
def listening(announcements: Announcements) -> Iterator[None]:
    announcements.start()
    try:
        yield
    finally:
        announcements.close()


@pytest.mark.promise("An unexpected error ends no vital thread, or health turns NOT_SERVING")
def test_a_callback_that_raises_does_not_stop_the_others(
    redis_cache: redis.Redis,
) -> None:
    looked = [threading.Semaphore(0) for _ in range(2)]
    heard = threading.Semaphore(0)
    announcements = Announcements(redis_cache, recheck_seconds=0.01)
    announcements.listen("test:raises", fail, fail)
    announcements.repeat(fail)
    announcements.listen("test:heard", lambda _: heard.release(), looked[0].release)
    announcements.repeat(looked[1].release)
    with listening(announcements):
        while not dict(redis_cache.pubsub_numsub("test:heard"))[b"test:heard"]:
            threading.Event().wait(0.001)
        for _ in range(3):
            assert all(look.acquire(timeout=SECONDS) for look in looked)
            redis_cache.publish("test:raises", "text")
            redis_cache.publish("test:heard", "text")
            assert heard.acquire(timeout=SECONDS)


@pytest.mark.parametrize(
    ("add", "is_sound"),
    [
        (lambda announcements, look: announcements.listen("test:vital", fail, look), False),
        (lambda announcements, look: announcements.repeat(look), True),
    ],
)
def test_only_callbacks_that_servers_depend_on_are_vital(
    redis_cache: redis.Redis, add: Callable[..., None], is_sound: bool
) -> None:
    vitals, has_failed = Vitals(), threading.Semaphore(0)

    def look() -> None:
        has_failed.release()
        fail()

    announcements = Announcements(redis_cache, 0.001, vitals)
    announcements.listen("test:other", fail, lambda: None)
    add(announcements, look)
    with listening(announcements):
        assert all(has_failed.acquire(timeout=SECONDS) for _ in range(20))
        assert vitals.are_sound() is is_sound


@pytest.mark.promise("An unexpected error ends no vital thread, or health turns NOT_SERVING")
def test_an_unexpected_connection_error_does_not_end_the_thread(
    redis_cache: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, lost = threading.Semaphore(0), threading.Event()
    vitals = Vitals()
    vitals.listen(lost.set)
    announcements = Announcements(redis_cache, 0.01, vitals)
    announcements._thread._pause_seconds = 0.001
    announcements.listen("test:heard", fail, looked.release)
    with monkeypatch.context() as patched:
        patched.setattr(redis.Redis, "pubsub", fail)
        announcements.start()
        assert lost.wait(SECONDS)
        assert not vitals.are_sound()
        lost.clear()
        while looked.acquire(blocking=False):
            pass
        assert looked.acquire(timeout=SECONDS), "the other callback still runs"
    assert lost.wait(SECONDS)
    assert vitals.are_sound()
    announcements.close()


@pytest.mark.promise("Foreign values and replies in either Redis fail no call and end no thread")
@pytest.mark.parametrize(
    "reply",
    [
        b"*1\r\n$7\r\nmessage\r\n",
        b"*2\r\n*1\r\n:1\r\n*0\r\n",
        b"*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\na\r\n",
        b"*3\r\n$7\r\nmessage\r\n$10\r\ntest:heard\r\n:1\r\n",
        b"*3\r\n$7\r\nmessage\r\n$1\r\n\xff\r\n$1\r\na\r\n",
    ],
)
def test_what_is_no_message_is_a_lost_connection(
    start_redis: StartRedis, tmp_path: Path, caplog: pytest.LogCaptureFixture, reply: bytes
) -> None:
    upstream = Path(start_redis("cache.conf").url.removeprefix("unix://"))
    heard, subscribed = threading.Semaphore(0), threading.Semaphore(0)
    with (
        closing(RedisProxy(tmp_path / "socket", upstream)) as proxy,
        connect(f"unix://{tmp_path}/socket", PATIENT) as listener,
        connect(f"unix://{upstream}", PATIENT) as speaker,
    ):
        announcements = Announcements(listener, recheck_seconds=SECONDS)
        announcements.listen("test:heard", lambda _: heard.release(), subscribed.release)
        with listening(announcements):
            for _ in range(2):  # at the start, and when it has subscribed
                assert subscribed.acquire(timeout=SECONDS)
            with proxy.lying(reply):
                speaker.publish("test:heard", "text")
                assert subscribed.acquire(timeout=SECONDS)  # in doubt, as it lost the connection
            while not heard.acquire(timeout=0.05):
                speaker.publish("test:heard", "text")
    assert "announcements_lost" in caplog.text
    assert "thread_failed" not in caplog.text
