from symbolon_server.rpc.symbolicate.waiting import WaitingRoom


def test_no_more_calls_wait_than_there_are_places() -> None:
    room = WaitingRoom(2)
    with room.enter() as first, room.enter() as second, room.enter() as third:
        assert (first, second, third) == (True, True, False)


def test_a_place_is_free_again_when_its_call_is_done() -> None:
    room = WaitingRoom(1)
    for _ in range(3):
        with room.enter() as may_wait:
            assert may_wait


def test_a_call_that_was_turned_away_frees_no_place() -> None:
    room = WaitingRoom(1)
    with room.enter():
        with room.enter() as second:
            assert not second
        with room.enter() as third:
            assert not third
