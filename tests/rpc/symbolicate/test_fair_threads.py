import threading
from functools import partial

from symbolon_server.rpc.symbolicate.stream_flow import FairThreads, WorkQueue


def test_a_long_queue_delays_only_itself() -> None:
    threads, done = FairThreads(1, "test"), list[str]()
    begun, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert may_go_on.wait(30)

    threads.submit(WorkQueue(), hold)
    assert begun.wait(30)
    busy, modest = WorkQueue(), WorkQueue()
    for number in range(5):
        threads.submit(busy, partial(done.append, f"busy {number}"))
    for number in range(2):
        threads.submit(modest, partial(done.append, f"modest {number}"))
    may_go_on.set()
    threads.close()
    assert done == [
        "busy 0",
        "modest 0",
        "busy 1",
        "modest 1",
        "busy 2",
        "busy 3",
        "busy 4",
    ]


def test_many_threads_finish_the_work_of_many_queues() -> None:
    threads, lines = FairThreads(4, "test"), [WorkQueue() for _ in range(7)]
    done: list[tuple[int, int]] = []
    for number in range(100):
        for index, line in enumerate(lines):
            threads.submit(line, partial(done.append, (index, number)))
    threads.close()
    assert sorted(done) == [(index, number) for index in range(7) for number in range(100)]
