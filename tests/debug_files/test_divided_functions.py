"""A function that gcc divides has one linkage name, in its hot part and in its cold one."""

from pathlib import Path

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.paging.linkage_names import divide_answer
from tests.debug_files.compiling import Recipe, compile_program, load_address, run

SOURCE = """
static inline int twist(int turns) { if (turns == 77) __builtin_trap(); return turns * 3; }
__attribute__((noinline)) int press(int turns) { return twist(turns) + twist(turns + 2); }
int main(int count, char**) { return press(count); }
"""
PARTS = ["_Z5pressi", "_Z5pressi.cold"]


def test_both_parts_of_a_divided_function_have_the_linkage_name_of_the_whole(
    tmp_path: Path,
) -> None:
    source = tmp_path / "press.cpp"
    source.write_text(SOURCE)
    binary = compile_program(tmp_path, Recipe("g++", "-g -O2"), [str(source)])
    asked = binary.asked
    asked = asked._replace(module_id=asked.module_id.with_linkage_names)
    table = convert(binary.debug_file, asked, max_unpacked_bytes=1 << 30)
    lines = map(
        str.split, run(["nm", "--defined-only", str(binary.program)], tmp_path).splitlines()
    )
    addresses = {name: int(address, 16) for address, _, name in lines}
    for part in PARTS:
        found = table.find(addresses[part] - load_address(binary.program))
        assert found is not None
        answer = divide_answer(found)
        assert (answer.function, answer.linkage_name) == ("press(int)", "_Z5pressi")
