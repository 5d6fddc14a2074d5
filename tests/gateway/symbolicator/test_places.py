"""Where addresses are looked up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.gateway.reading import BodyLimits
from symbolon_server.gateway.symbolicator.fields import MAX_ADDRESS
from symbolon_server.gateway.symbolicator.places import ModuleMap, Place, find_places
from symbolon_server.gateway.symbolicator.processors import find_processor
from symbolon_server.gateway.symbolicator.requests import GivenModule, parse_stacks

LIMITS = BodyLimits(100, 100)
NEAR = st.integers(0, 64) | st.integers(MAX_ADDRESS - 64, MAX_ADDRESS)


def parse(
    frames: list[dict[str, Any]], *, registers: Any = None, start: int = 0x1000, **others: Any
) -> Any:
    module = {"type": "elf", "image_addr": start, "image_size": 0x1000}
    stack = {"frames": frames, "registers": registers}
    return parse_stacks({"stacktraces": [stack], "modules": [module], **others}, LIMITS)


def offsets(request: Any, architecture: str) -> list[int | None]:
    (places,) = find_places(request, [find_processor(architecture)])
    return [place.offset for place in places]


def find_by_scanning(modules: list[GivenModule], address: int) -> int | None:
    """The definition of a lookup, too slow to use: the last module that starts at or before it."""
    before = [number for number, module in enumerate(modules) if module.start <= address]
    if not before:
        return None
    found = max(before, key=lambda number: (modules[number].start, number))
    size, end = modules[found].size, modules[found].start + modules[found].size
    return found if end <= MAX_ADDRESS and (not size or address <= end) else None


@given(st.lists(st.tuples(NEAR, st.integers(0, 20)), max_size=8), NEAR)
def test_modules_are_found_as_by_a_scan(given_modules: list[tuple[int, int]], address: int) -> None:
    payload = [
        {"type": "elf", "image_addr": start, "image_size": size} for start, size in given_modules
    ]
    modules = list(parse_stacks({"modules": payload}, LIMITS).modules)
    assert ModuleMap(modules).find(address) == find_by_scanning(modules, address)


def test_a_module_without_a_size_ends_where_the_next_one_starts() -> None:
    payload = [{"type": "elf", "image_addr": start} for start in ("0x3000", "0x1000", "8192")]
    request = parse_stacks({"modules": payload}, LIMITS)
    assert [module.fields.get("image_size") for module in request.modules] == [None, 4096, 4096]
    assert [ModuleMap(request.modules).find(address) for address in (0x1FFF, MAX_ADDRESS)] == [1, 0]


@pytest.mark.parametrize(
    ("architecture", "innermost", "caller"),
    [
        ("unknown", 0x103, 0x106),
        ("x86", 0x103, 0x106),
        ("x86_64", 0x103, 0x106),
        ("arm", 0x102, 0x104),
        ("armv7", 0x102, 0x104),
        ("arm64", 0x100, 0x100),
        ("arm64e", 0x100, 0x100),
        ("mips", 0x100, 0xFC),
        ("mips64", 0x100, 0xFC),
        ("ppc", 0x100, 0x100),
        ("ppc64", 0x100, 0xF8),
    ],
)
def test_callers_are_moved_back_into_the_call_by_the_processors_instructions(
    architecture: str, innermost: int, caller: int
) -> None:
    request = parse([{"instruction_addr": 0x1103}, {"instruction_addr": 0x1107}])
    assert offsets(request, architecture) == [innermost, caller]


@pytest.mark.parametrize(
    ("said", "looked_up"),
    [
        ([None, None, None], [0x100, 0xFF, 0xFF]),
        ([None, True, None], [0xFF, 0xFF, 0xFF]),
        ([False, None, None], [0x100, 0xFF, 0xFF]),
        ([None, None, False], [0xFF, 0xFF, 0x100]),
        ([True, False, False], [0xFF, 0x100, 0x100]),
    ],
)
def test_frames_may_say_whether_they_are_moved(
    said: list[bool | None], looked_up: list[int]
) -> None:
    """If one says so, all others are moved that do not."""
    frames = [{"instruction_addr": 0x1100, "adjust_instruction_addr": one} for one in said]
    assert offsets(parse(frames), "x86_64") == looked_up


@pytest.mark.parametrize(
    ("signal", "registers", "looked_up"),
    [
        (11, {"rip": "0x1104"}, 0xFF),
        (4, {"rip": "0x1104"}, 0xFF),
        (10, {"rip": "0x1104"}, 0xFF),
        (11, {"rip": "0x1100"}, 0x100),
        (11, {"eip": "0x1104"}, 0x100),
        (11, {}, 0x100),
        (6, {"rip": "0x1104"}, 0x100),
        (None, {"rip": "0x1104"}, 0x100),
    ],
)
def test_the_innermost_frame_is_moved_if_the_crash_was_elsewhere(
    signal: int | None, registers: dict[str, str], looked_up: int
) -> None:
    request = parse([{"instruction_addr": 0x1100}], registers=registers, signal=signal)
    assert offsets(request, "x86_64") == [looked_up]


def test_outermost_first_frames_are_turned_round_before() -> None:
    frames = [{"instruction_addr": 0x1200}, {"instruction_addr": 0x1100}]
    request = parse(frames, options={"frame_order": "caller_first"})
    assert offsets(request, "x86_64") == [0x100, 0x1FF]


def test_relative_addresses_are_moved_like_absolute_ones() -> None:
    frames: list[Any] = [{"instruction_addr": 0x100, "addr_mode": "rel:0"}] * 2
    assert offsets(parse(frames), "x86_64") == [0x100, 0xFF]


def test_relative_addresses_in_a_module_at_zero_stay_and_absolute_ones_have_no_place() -> None:
    relative: list[Any] = [{"instruction_addr": 0x101, "addr_mode": "rel:0"}] * 2
    assert offsets(parse(relative, start=0), "wasm32") == [0x101, 0x101]
    (places,) = find_places(
        parse([{"instruction_addr": 0x100}], start=0), [find_processor("wasm32")]
    )
    assert places == [Place(0, None)]


def test_addresses_that_are_in_no_module_or_before_its_start_have_no_offset() -> None:
    frames: list[dict[str, Any]] = [
        {"instruction_addr": 0xFFF},
        {"instruction_addr": 0x1000},
        {"instruction_addr": 0x2001},
        {"instruction_addr": 1, "addr_mode": "rel:7"},
    ]
    (places,) = find_places(parse(frames), [find_processor("x86_64")])
    assert places == [Place(None, None), Place(0, None), Place(None, None), Place(None, None)]


def test_a_relative_address_beyond_all_addresses_is_looked_up_as_it_is() -> None:
    frames: list[Any] = [{"instruction_addr": MAX_ADDRESS, "addr_mode": "rel:0"}] * 2
    assert offsets(parse(frames), "x86_64") == [MAX_ADDRESS, MAX_ADDRESS]
