"""The paths of native files in each layout."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.suppliers.layouts.format_layout import lacks
from symbolon_server.suppliers.layouts.layout import FileUse
from symbolon_server.suppliers.layouts.named import NAMED_LAYOUTS
from symbolon_server.suppliers.layouts.options import build_options
from symbolon_server.suppliers.layouts.symbol_servers import Compressed
from symbolon_server.symbols.ground.asked_modules import AskedModule, derive_debug_id
from symbolon_server.symbols.ground.module_ids import (
    InvalidModuleIdError,
    ModuleId,
    check_file_name,
)

BUILD_ID = "dfb85de42daffd09640c8fe377d572de3e168920"
UUID = "67e9247c814e392ba027dbde6748fcbf"
LIBM_ID = ModuleId.parse("libm-2.23.so", "e45db8df-af2d-09fd-640c-8fe377d572de")
CRASH_PDB = ModuleId.parse("crash.pdb", "3249D99D-0C40-4931-8610-F4E4FB0B6936-1")
CRASH_ID = ModuleId.parse("crash", UUID)

ELF = AskedModule(LIBM_ID, "libm-2.23.so", BUILD_ID.upper())
ELF_ONLY_DEBUG_ID = AskedModule(LIBM_ID)
PDB = AskedModule(CRASH_PDB)
PE = AskedModule(CRASH_PDB, "crash.exe", "5AB380779000")
PORTABLE = AskedModule(ModuleId.parse("x.pdb", "3249D99D0C4049318610F4E4FB0B6936F1A2B3C4"))
MACH_O = AskedModule(CRASH_ID, "crash", UUID.upper())
MACH_O_ONLY_DEBUG_ID = AskedModule(CRASH_ID)
WASM = AskedModule(
    ModuleId.parse("app.wasm", "67e9247c814e392ba027dbde6748fcbf"), "app.wasm", UUID + "01"
)
MINGW = AskedModule(
    ModuleId.parse("tool.exe", "3249D99D0C4049318610F4E4FB0B69361"), "tool.exe", "5eba81a442000"
)

ONLY_CODE_ID = AskedModule(
    ModuleId.parse("crash.exe", derive_debug_id("crash.exe", "5AB380779000")),
    "crash.exe",
    "5AB380779000",
)

KEY = "3249D99D0C4049318610F4E4FB0B69361"


def paths(layout: str, asked: AskedModule, compressed: Compressed = Compressed.NEVER) -> list[str]:
    (rule,) = NAMED_LAYOUTS[layout].make(compressed)
    return [str(path) for path in rule(asked) if not str(path).endswith("file.ptr")]


@pytest.mark.parametrize(
    ("layout", "asked", "expected"),
    [
        ("breakpad", PE, [f"crash.pdb/{KEY}/crash.sym"]),
        (
            "breakpad",
            ELF,
            ["libm-2.23.so/E45DB8DFAF2D09FD640C8FE377D572DE0/libm-2.23.so.sym"],
        ),
        (
            "native",
            ELF,
            [
                "df/b85de42daffd09640c8fe377d572de3e168920.debug",
                "df/b85de42daffd09640c8fe377d572de3e168920",
                "libm-2.23.so/E45DB8DFAF2D09FD640C8FE377D572DE0/libm-2.23.so.sym",
            ],
        ),
        (
            "native",
            MACH_O,
            [
                "67E9/247C/814E/392B/A027/DBDE6748FCBF",
                "67E9/247C/814E/392B/A027/DBDE6748FCBF.app",
                "crash/67E9247C814E392BA027DBDE6748FCBF0/crash.sym",
            ],
        ),
        (
            "native",
            PE,
            [
                f"crash.pdb/{KEY}/crash.pdb",
                "crash.exe/5AB380779000/crash.exe",
                f"crash.pdb/{KEY}/crash.sym",
            ],
        ),
        ("native", WASM, [f"67/{UUID[2:]}01.debug", f"67/{UUID[2:]}01"]),
        (
            "symstore",
            PE,
            [f"crash.pdb/{KEY}/crash.pdb", "crash.exe/5AB380779000/crash.exe"],
        ),
        ("symstore", PDB, [f"crash.pdb/{KEY}/crash.pdb"]),
        ("symstore", MINGW, ["tool.exe/5EBA81A442000/tool.exe"]),
        (
            "symstore",
            AskedModule(CRASH_PDB, "crash.exe", "5AB3807700009A00"),
            [f"crash.pdb/{KEY}/crash.pdb", "crash.exe/5AB380779a00/crash.exe"],
        ),
        (
            "symstore",
            AskedModule(ModuleId.parse("a.pdb", "3249D99D0C4049318610F4E4FB0B69361A")),
            ["a.pdb/3249D99D0C4049318610F4E4FB0B69361a/a.pdb"],
        ),
        ("symstore", PORTABLE, ["x.pdb/3249D99D0C4049318610F4E4FB0B6936ffffffff/x.pdb"]),
        (
            "symstore",
            ELF,
            [
                f"_.debug/elf-buildid-sym-{BUILD_ID}/_.debug",
                f"libm-2.23.so/elf-buildid-{BUILD_ID}/libm-2.23.so",
            ],
        ),
        (
            "symstore",
            MACH_O,
            [f"_.dwarf/mach-uuid-sym-{UUID}/_.dwarf", f"crash/mach-uuid-{UUID}/crash"],
        ),
        (
            "symstore_index2",
            PE,
            [f"cr/crash.pdb/{KEY}/crash.pdb", "cr/crash.exe/5AB380779000/crash.exe"],
        ),
        (
            "symstore_index2",
            ELF,
            [
                f"_/_.debug/elf-buildid-sym-{BUILD_ID}/_.debug",
                f"li/libm-2.23.so/elf-buildid-{BUILD_ID}/libm-2.23.so",
            ],
        ),
        (
            "symstore_index2",
            AskedModule(CRASH_ID._replace(debug_file="x"), "x", UUID),
            [f"_/_.dwarf/mach-uuid-sym-{UUID}/_.dwarf", f"x/x/mach-uuid-{UUID}/x"],
        ),
        (
            "ssqp",
            AskedModule(
                ModuleId.parse("Crash.pdb", "3249D99D0C4049318610F4E4FB0B6936A"),
                "Crash.exe",
                "5AB380779000",
            ),
            [
                "crash.pdb/3249d99d0c4049318610f4e4fb0b6936A/crash.pdb",
                "crash.exe/5ab380779000/crash.exe",
            ],
        ),
        ("ssqp", PORTABLE, ["x.pdb/3249d99d0c4049318610f4e4fb0b6936FFFFFFFF/x.pdb"]),
        (
            "ssqp",
            ELF,
            [
                f"_.debug/elf-buildid-sym-{BUILD_ID}/_.debug",
                f"libm-2.23.so/elf-buildid-{BUILD_ID}/libm-2.23.so",
            ],
        ),
        (
            "unified",
            PE,
            [f"32/{KEY[2:].lower()}/{file}" for file in ("debuginfo", "executable", "breakpad")],
        ),
        (
            "unified",
            ELF,
            [f"df/{BUILD_ID[2:]}/{file}" for file in ("debuginfo", "executable", "breakpad")],
        ),
        (
            "unified",
            MACH_O,
            [f"67/{UUID[2:]}/{file}" for file in ("debuginfo", "executable", "breakpad")],
        ),
        (
            "unified",
            AskedModule(WASM.module_id),
            [f"67/{UUID[2:]}/{file}" for file in ("debuginfo", "executable", "breakpad")],
        ),
        ("debuginfod", ELF, [f"buildid/{BUILD_ID}/debuginfo", f"buildid/{BUILD_ID}/executable"]),
        ("symstore", ONLY_CODE_ID, ["crash.exe/5AB380779000/crash.exe"]),
        ("native", ONLY_CODE_ID, ["crash.exe/5AB380779000/crash.exe"]),
        ("breakpad", ONLY_CODE_ID, []),
        ("unified", ONLY_CODE_ID, []),
        ("debuginfod", PE, []),
        ("debuginfod", MACH_O, []),
        (
            "slashsymbols",
            ELF,
            [f"libm-2.23.so/{BUILD_ID}/symbols", f"libm-2.23.so/{BUILD_ID.upper()}/symbols"],
        ),
    ],
)
def test_each_layout_has_its_paths(layout: str, asked: AskedModule, expected: list[str]) -> None:
    assert paths(layout, asked) == expected


@pytest.mark.parametrize(
    ("compressed", "expected"),
    [
        (Compressed.NEVER, ["crash.pdb", "file.ptr", "crash.exe", "file.ptr"]),
        (Compressed.LAST, ["crash.pdb", "crash.pd_", "file.ptr", "crash.exe", "crash.ex_"]),
        (Compressed.FIRST, ["crash.pd_", "crash.pdb", "file.ptr", "crash.ex_", "crash.exe"]),
    ],
)
@pytest.mark.parametrize("layout", ["symstore", "symstore_index2", "ssqp"])
def test_compressed_names_come_in_the_configured_order_and_pointer_files_last(
    layout: str, compressed: Compressed, expected: list[str]
) -> None:
    (rule,) = NAMED_LAYOUTS[layout].make(compressed)
    assert [path.parts[-1] for path in rule(PE)][: len(expected)] == expected


def test_only_names_that_symstore_compresses_are_requested_compressed() -> None:
    assert not any("_.debu_" in path for path in paths("symstore", ELF, Compressed.FIRST))
    assert paths("unified", PE, Compressed.FIRST) == paths("unified", PE)


def test_debug_files_come_before_code_files_and_symbol_files_last() -> None:
    (rule,) = NAMED_LAYOUTS["native"].make(Compressed.LAST)
    uses = [path.use for path in rule(PE)]
    assert uses == [FileUse.DEBUG] * 2 + [FileUse.CODE] * 2 + [FileUse.TEXT]


def test_a_uuid_that_may_be_a_build_id_is_requested_as_both() -> None:
    unsure = AskedModule(ModuleId.parse("crash", "0" * 31 + "1"), "crash", UUID)
    assert paths("native", unsure)[:4] == [
        f"67/{UUID[2:]}.debug",
        "0000/0000/0000/0000/0000/000000000001",
        f"67/{UUID[2:]}",
        "0000/0000/0000/0000/0000/000000000001.app",
    ]


def test_the_debug_id_of_a_mach_o_file_suffices() -> None:
    assert paths("native", MACH_O_ONLY_DEBUG_ID) == paths("native", MACH_O)
    dylib = AskedModule(ModuleId.parse("libfoo.dylib", UUID), "libfoo.dylib", "ab" * 20)
    assert paths("native", dylib)[0] == "67E9/247C/814E/392B/A027/DBDE6748FCBF"


def test_a_short_build_id_is_told_from_the_id_of_an_image_by_the_debug_id() -> None:
    fast = AskedModule(
        ModuleId.parse("app", "e45db8dfaf2d09fd0000000000000000"), "app", "dfb85de42daffd09"
    )
    assert paths("debuginfod", fast)[0] == "buildid/dfb85de42daffd09/debuginfo"


def test_a_pdb_of_unknown_age_is_requested_with_the_age_of_most() -> None:
    asked = AskedModule(ModuleId.parse("crash.pdb", KEY[:32]), lacks_age=True)
    assert paths("symstore", asked) == [
        f"crash.pdb/{KEY[:32]}1/crash.pdb",
        f"crash.pdb/{KEY[:32]}0/crash.pdb",
    ]


NO_BUILD_ID: Final = "needs the build id (code id), which the request does not have"
NO_PE_CODE_ID: Final = (
    "needs the code id (timestamp and image size), which the request does not have"
)


@pytest.mark.parametrize(
    ("layout", "asked", "expected"),
    [
        ("breakpad", ELF_ONLY_DEBUG_ID, ""),
        ("native", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("unified", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("debuginfod", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("symstore", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("native", ELF, ""),
        ("native", PDB, ""),
        ("unified", MINGW._replace(code_id=""), ""),
        (
            "symstore",
            MINGW._replace(code_id=""),
            NO_PE_CODE_ID,
        ),
        (
            "slashsymbols",
            ELF_ONLY_DEBUG_ID,
            "needs code file and code id, which the request does not have",
        ),
        ("slashsymbols", ELF, ""),
        (
            "slashsymbols",
            ELF_ONLY_DEBUG_ID._replace(code_file="libm-2.23.so"),
            "needs the code id, which the request does not have",
        ),
        (
            "slashsymbols",
            ELF_ONLY_DEBUG_ID._replace(code_id=BUILD_ID),
            "needs the code file, which the request does not have",
        ),
        ("ssqp", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("symstore_index2", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("ssqp", MINGW._replace(code_id=""), NO_PE_CODE_ID),
        ("native", MINGW._replace(code_id=""), NO_PE_CODE_ID),
        ("symstore", PE._replace(code_id=""), ""),
        ("symstore", MACH_O_ONLY_DEBUG_ID._replace(code_file="crash.dylib"), ""),
        ("debuginfod", MINGW._replace(code_id=""), ""),
        ("symstore", ONLY_CODE_ID, ""),
        ("breakpad", ONLY_CODE_ID, "needs the debug id, which the request does not have"),
        ("unified", ONLY_CODE_ID, "needs the debug id, which the request does not have"),
    ],
)
def test_what_the_request_lacks_is_told(layout: str, asked: AskedModule, expected: str) -> None:
    (rule,) = NAMED_LAYOUTS[layout].make(Compressed.LAST)
    assert lacks(rule, asked) == expected


@pytest.mark.parametrize(
    ("layout", "files", "asked", "expected"),
    [
        ("native", "symbol", ELF_ONLY_DEBUG_ID, ""),
        ("native", "debug", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("native", "code+symbol", ELF_ONLY_DEBUG_ID, NO_BUILD_ID),
        ("symstore", "code", MINGW._replace(code_id=""), NO_PE_CODE_ID),
        ("native", "debug+symbol", MINGW._replace(code_id=""), ""),
        ("symstore", "debug", ONLY_CODE_ID, "needs the debug id, which the request does not have"),
        (
            "debug_id+code_id",
            "symbol",
            PDB,
            "needs code file and code id, which the request does not have",
        ),
    ],
)
def test_what_files_that_are_not_requested_need_is_not_told(
    layout: str, files: str, asked: AskedModule, expected: str
) -> None:
    options = build_options({"layout": layout, "files": files})
    assert options.lacks(asked) == expected


def test_a_request_without_build_id_has_no_path_in_debuginfod() -> None:
    assert paths("debuginfod", ELF_ONLY_DEBUG_ID) == []


@pytest.mark.parametrize("digits", [1, 33, 39, 255])
def test_a_code_id_with_half_a_byte_is_no_build_id(digits: int) -> None:
    asked = ELF._replace(code_id="a" * digits)
    assert paths("debuginfod", asked) == []
    assert not [path for path in paths("symstore", asked) if "buildid" in path]


NAMES = st.text(".aB é_\0", min_size=1, max_size=6)
ENDINGS = st.sampled_from(["", ".pdb", ".exe", ".so", ".wasm", ".dylib"])


@given(
    st.builds(str.__add__, NAMES, ENDINGS),
    st.binary(min_size=16, max_size=20).map(bytes.hex),
    st.builds(str.__add__, NAMES, ENDINGS),
    st.builds(lambda data, cut: data.hex()[cut:], st.binary(max_size=21), st.integers(0, 1)),
    st.booleans(),
)
def test_no_part_of_a_path_leaves_its_folder(
    debug_file: str, debug_id: str, code_file: str, code_id: str, lacks_age: bool
) -> None:
    try:
        module_id = ModuleId.parse(debug_file, debug_id)
    except InvalidModuleIdError:
        return
    asked = AskedModule.of(module_id, code_file, code_id, lacks_age=lacks_age)
    for layouts in NAMED_LAYOUTS.values():
        for layout in layouts.make(Compressed.LAST):
            for path in layout(asked):
                for part in path.parts:
                    if len(part.encode()) <= 255:
                        check_file_name("part", part)
