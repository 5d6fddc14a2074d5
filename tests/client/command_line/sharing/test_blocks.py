"""Which lines each member of a crew answers."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from symbolon._forms.inputs import Part
from symbolon.command_line.sharing.blocks import OwnBlocks

LINES = st.lists(st.binary(min_size=1, max_size=9), max_size=60)


def number_parts(lines: Sequence[bytes]) -> list[Part]:
    return list(enumerate(lines, 1))


@given(LINES, st.integers(1, 5), st.integers(1, 30))
def test_members_take_turns_through_all_lines(
    lines: list[bytes], members: int, block_bytes: int
) -> None:
    parts = number_parts(lines)
    blocks = [OwnBlocks(member, members, block_bytes) for member in range(members)]
    own = [iter(list(one.choose(parts, 1))) for one in blocks]
    found, member = [], 0
    while (number_and_part := next(own[member], None)) is not None:
        found.append(number_and_part)
        if blocks[member].is_end(number_and_part[0]):
            member = (member + 1) % members
    assert found == list(enumerate(parts, 1))
    assert all(next(rest, None) is None for rest in own)


def test_a_block_ends_with_the_line_that_fills_it() -> None:
    alone = OwnBlocks(block_bytes=4)
    chosen = [n for n, _ in alone.choose(number_parts([b"123", b"45", b"6789", b"0"]), 7)]
    assert chosen == [7, 8, 9, 10]
    assert [alone.is_end(number) for number in chosen] == [False, True, True, False]
