from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom


def test_no_more_calls_wait_than_there_are_places() -> None:
    room = WaitingRoom(2)
    with room.enter("a") as first, room.enter("b") as second, room.enter("c") as third:
        assert (first, second, third) == (True, True, False)


def test_one_caller_has_at_most_half_of_the_places() -> None:
    room = WaitingRoom(4)
    for _ in range(2):
        with room.enter("greedy"), room.enter("greedy"), room.enter("greedy") as third:
            assert not third
            with room.enter("modest") as may_wait:
                assert may_wait


def test_a_part_of_a_room_is_all_for_its_caller() -> None:
    whole = WaitingRoom(8)
    part = WaitingRoom(2, whole)
    with part.enter("a") as first, part.enter("a") as second, part.enter("a") as third:
        assert (first, second, third) == (True, True, False)


def test_a_place_is_free_again_when_its_call_is_done() -> None:
    room = WaitingRoom(1)
    for _ in range(3):
        with room.enter("a") as may_wait:
            assert may_wait


def test_a_call_that_was_turned_away_frees_no_place() -> None:
    room = WaitingRoom(1)
    with room.enter("a"):
        with room.enter("a") as second:
            assert not second
        with room.enter("a") as third:
            assert not third
