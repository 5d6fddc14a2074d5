"""What is answered for each frame and each module of a request."""

from pathlib import Path

import pytest
import redis

from symbolon.v1.stack_pb2 import FrameOutcome as WireOutcome
from symbolon.v1.stack_pb2 import InlineFrame, SymbolicatedFrame
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    FrameQuery,
    ModuleOutcome,
    ModuleQuery,
    TierName,
)
from symbolon_server.symbols.ground.answers import Answer as SymbolAnswer
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.symbolication.conftest import Host, IngestNow, calls, new_calls, new_module, query

SAMPLE = Path(__file__).parents[1] / "data/sample/symbols"
ORCHARD = ModuleId.parse("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
LOOKED_UP = ("mget", "evalsha", "pttl")
"""The commands that a server sends to its store and its cache."""


@pytest.fixture
def sample_file() -> bytes:
    return (SAMPLE / "orchard" / ORCHARD.debug_id / "orchard.sym").read_bytes()


@pytest.fixture
def sample(supplier: SymbolServer, ingest_now: IngestNow, host: Host, sample_file: bytes) -> Host:
    """A server whose store has the sample's module."""
    supplier.put(ORCHARD, sample_file)
    ingest_now(ORCHARD)
    return host


@pytest.fixture
def sample_table(sample_file: bytes) -> SymbolTable:
    reader = SymbolFileReader(ORCHARD)
    reader.feed(sample_file)
    return reader.finish()


def expected_frame(
    answer: SymbolAnswer | None, offset: int, module: str = "orchard"
) -> SymbolicatedFrame:
    """Return the frame that the API promises for what a symbol table says of `offset`."""
    if answer is None:
        outcome = WireOutcome.FRAME_OUTCOME_NO_SYMBOL
        return SymbolicatedFrame(module=module, module_offset=offset, outcome=outcome)
    return SymbolicatedFrame(
        module=module,
        module_offset=offset,
        function=answer.function,
        function_offset=offset - answer.function_start,
        file=answer.file,
        line=answer.line,
        inlines=[
            InlineFrame(function=inline.function, file=inline.file, line=inline.line)
            for inline in answer.inlines
        ],
        outcome=WireOutcome.FRAME_OUTCOME_SYMBOLICATED,
        is_multiple=answer.is_multiple,
        function_size=answer.function_size,
    )


def test_every_offset_of_the_sample_is_answered_from_its_symbol_table(
    sample: Host, sample_table: SymbolTable
) -> None:
    offsets = [*range(0x1400), 2**32, 2**64 - 1]
    answer = sample.find(ORCHARD, *offsets)
    expected = [expected_frame(sample_table.find(offset), offset) for offset in offsets]
    assert answer.stacks == [expected]
    # So that the comparison is not one of empty with empty.
    assert sum(len(frame.inlines) >= 3 for frame in expected) > 0
    assert [result.outcome for result in answer.results] == [ModuleOutcome.FOUND]


def test_what_is_remembered_is_answered_as_it_was_before(sample: Host) -> None:
    offsets = list(range(0x1000, 0x1400))
    first, second = sample.find(ORCHARD, *offsets), sample.find(ORCHARD, *offsets)
    assert second.stacks == first.stacks
    remembered = second.symbolication.diagnostics.tiers[TierName.FRAMES]
    assert remembered.hits == len(offsets)


def test_a_return_address_is_looked_up_one_byte_before_and_reported_as_given(
    sample: Host, sample_table: SymbolTable
) -> None:
    offsets = range(1, 0x1400)
    frames = [FrameQuery(0, offset, True) for offset in offsets]
    answer = sample.ask([query(ORCHARD)], [frames])
    expected = [expected_frame(sample_table.find(offset - 1), offset) for offset in offsets]
    assert answer.stacks == [expected]


def test_an_offset_and_a_return_address_of_the_same_number_are_two_questions(
    sample: Host,
) -> None:
    # 0x1080 starts a function that follows `main` without a gap.
    frames = [FrameQuery(0, 0x1080, False), FrameQuery(0, 0x1080, True)]
    for _ in range(2):  # the second time from what is remembered
        answer = sample.ask([query(ORCHARD)], [frames])
        assert answer.functions == ["_GLOBAL__sub_I_main", "main"]
        assert [frame.function_offset for frame in answer.stacks[0]] == [0, 0x40]


def test_a_return_address_of_zero_finds_nothing(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, module_id: ModuleId
) -> None:
    supplier.put(module_id, symbol_file(module_id))  # its first function starts at 0
    ingest_now(module_id)
    frames = [FrameQuery(0, 0, True), FrameQuery(0, 0, False), FrameQuery(0, 1, True)]
    answer = host.ask([query(module_id)], [frames])
    assert answer.functions == ["", "function_0", "function_0"]
    assert answer.stacks[0][0] == expected_frame(None, 0, module_id.debug_file)
    assert answer.results[0].outcome is ModuleOutcome.FOUND


def test_a_frame_in_no_module_is_unknown(host: Host, redis_store: redis.Redis) -> None:
    before = calls(redis_store)
    answer = host.ask([], [[FrameQuery(NO_MODULE, 0xF00, False)]])
    [frame] = answer.stacks[0]
    assert frame == SymbolicatedFrame(
        module="<unknown>", module_offset=0xF00, outcome=WireOutcome.FRAME_OUTCOME_NO_MODULE
    )
    assert new_calls(redis_store, before, "mget") == {"mget": 0}


@pytest.mark.parametrize("debug_file", ["libc.so.6", ""])
def test_a_module_with_an_empty_part_is_missing_without_a_lookup(
    host: Host, redis_store: redis.Redis, redis_cache: redis.Redis, debug_file: str
) -> None:
    store_before, cache_before = calls(redis_store), calls(redis_cache)
    answer = host.ask([ModuleQuery(debug_file, None)], [[FrameQuery(0, 16, False)]], 60.0)
    [result] = answer.results
    assert result.outcome is ModuleOutcome.MISSING
    assert result.detail
    assert result.retry_after_seconds is None
    [frame] = answer.stacks[0]
    assert (frame.module, frame.outcome) == (debug_file, WireOutcome.FRAME_OUTCOME_MODULE_MISSING)
    assert sum(new_calls(redis_store, store_before, *LOOKED_UP).values()) == 0
    assert sum(new_calls(redis_cache, cache_before, *LOOKED_UP).values()) == 0


def test_a_module_that_no_frame_names_is_not_looked_up(
    sample: Host, redis_store: redis.Redis
) -> None:
    other = new_module()
    answer = sample.ask(
        [query(other), query(ORCHARD), ModuleQuery("", None)], [[FrameQuery(1, 0x1040, False)]]
    )
    outcomes = [result.outcome for result in answer.results]
    assert outcomes == [
        ModuleOutcome.NOT_REFERENCED,
        ModuleOutcome.FOUND,
        ModuleOutcome.NOT_REFERENCED,
    ]
    assert answer.symbolication.diagnostics.tiers[TierName.STORE].lookups == 2
    assert answer.symbolication.diagnostics.ingests == 0


def test_the_same_module_named_twice_is_looked_up_once(sample: Host) -> None:
    frames = [FrameQuery(0, 0x1040, False), FrameQuery(1, 0x1040, False)]
    answer = sample.ask([query(ORCHARD), query(ORCHARD)], [frames])
    assert answer.functions == ["main", "main"]
    diagnostics = answer.symbolication.diagnostics
    assert [result.outcome for result in answer.results] == [ModuleOutcome.FOUND] * 2
    assert diagnostics.tiers[TierName.STORE].lookups == 2  # a directory and a page


def test_each_distinct_frame_is_looked_up_once(sample: Host) -> None:
    sample.find(ORCHARD, 0x1240)
    asked = [0x1040, 0x1180, 0x1040] * 100
    answer = sample.ask([query(ORCHARD)], [[FrameQuery(0, offset, False) for offset in asked]] * 3)
    diagnostics = answer.symbolication.diagnostics
    assert (diagnostics.frames, diagnostics.distinct_frames) == (900, 2)
    assert diagnostics.tiers[TierName.MEMORY].lookups == 2  # the module and its page
    assert diagnostics.modules[0].frames == 900
    assert diagnostics.modules[0].distinct_frames == 2
    assert diagnostics.modules[0].pages == 1


def test_stacks_keep_their_shape(sample: Host) -> None:
    frames = [FrameQuery(0, 0x1040, False), FrameQuery(NO_MODULE, 7, False)]
    answer = sample.ask([query(ORCHARD)], [[], frames, [], frames[::-1]])
    functions = [[frame.function for frame in stack] for stack in answer.stacks]
    assert functions == [[], ["main", ""], [], ["", "main"]]


def test_skipped_records_are_reported_with_the_module(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, module_id: ModuleId
) -> None:
    supplier.put(module_id, symbol_file(module_id) + b"FUNC nonsense\nFUNC 9000 +3 0 f\n")
    ingest_now(module_id)
    answer = host.find(module_id, 0)
    assert answer.results[0].skipped_records == 2


def test_frames_bear_the_name_of_the_code_file(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, module_id: ModuleId
) -> None:
    head, _, rest = symbol_file(module_id).partition(b"\n")
    supplier.put(module_id, head + b"\nINFO CODE_ID 5CF2591C6859000 xul.dll\n" + rest)
    ingest_now(module_id)
    answer = host.find(module_id, 0, 2**40)
    assert [frame.module for frame in answer.stacks[0]] == ["xul.dll", "xul.dll"]


def test_names_that_are_not_utf8_reach_the_client(
    supplier: SymbolServer, ingest_now: IngestNow, host: Host, module_id: ModuleId
) -> None:
    supplier.put(module_id, symbol_file(module_id).replace(b"function_0", b"caf\xe9"))
    ingest_now(module_id)
    assert host.find(module_id, 0).functions == ["caf\N{REPLACEMENT CHARACTER}"]
