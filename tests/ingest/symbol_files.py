"""Small symbol files for tests."""

from symbolon_server.symbols.ground.module_ids import ModuleId


def symbol_file(module_id: ModuleId, functions: int = 3) -> bytes:
    """Return the text of a module with functions of 16 bytes, `function_<number>` each 32."""
    lines = [f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}"]
    lines += ["FILE 0 a.c"]
    for number in range(functions):
        lines.append(f"FUNC {number * 32:x} 10 0 function_{number}")
        lines.append(f"{number * 32:x} 10 {number % 1000 + 1} 0")
    return "\n".join([*lines, ""]).encode()


def numbered_module(number: int) -> ModuleId:
    return ModuleId.parse(f"module{number}.so", f"{number:033X}")
