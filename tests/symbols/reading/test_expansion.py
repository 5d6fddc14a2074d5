"""Names that expand to more than fits in memory."""

import pydemumble
import pytest

from symbolon_server.symbols.reading.expansion import bound_expansion
from symbolon_server.symbols.reading.spelling import MAX_EXPANSION, demangle
from tests.symbols.reading.exploding_names import (
    explode_itanium,
    explode_msvc,
    explode_nested,
    explode_pack,
    explode_rust,
)

FACTOR = 10
"""`Ss` expands to a string with all its arguments."""


CPP_NAME = (
    "_ZN4llvm15DICompositeType12buildODRTypeERNS_11LLVMContextERNS_8MDStringEjPS3_PNS_8Metadata"
    "EjS7_S7_S7_jS7_S7_jNS_6DINode7DIFlagsES7_jSt8optionalIjES7_S7_S7_S7_S7_S7_S7_S7_S7_"
)

RUST_NAME = (
    "_RNCINvMs2_NtCsfrIrWFfaBCz_9once_cell3impINtB8_8OnceCellNtCsagCRNqE1Mfa_11tracing_log6Fiel"
    "dsE10initializeNCINvMs4_NtBa_4syncINtB1N_8OnceCellBR_E11get_or_initNCNvMs9_B1N_INtB1N_4Laz"
    "yBR_E5force0E0NtNvMs4_B1N_IB1Y_pE11get_or_init4VoidE0BT_"
)


@pytest.mark.parametrize(
    "name",
    [
        *(explode_itanium(40), explode_itanium(600), explode_itanium(8, 200), explode_nested(40)),
        *(explode_nested(600), explode_pack(10_000), explode_msvc(9), explode_msvc(60)),
        *(explode_rust(40), explode_rust(600)),
        *("_" + explode_itanium(40), "_" + explode_rust(40)),
    ],
)
def test_a_name_that_expands_too_much_stays_mangled(name: str) -> None:
    assert bound_expansion(name) > MAX_EXPANSION
    assert demangle(name.encode()) == name.encode()


@pytest.mark.parametrize(
    "name",
    [
        *(explode_itanium(parts) for parts in range(1, 14)),
        *(explode_nested(parts) for parts in range(1, 12)),
        *(explode_msvc(parts, 3) for parts in range(1, 9)),
        *(explode_rust(parts) for parts in range(1, 14)),
        *(explode_pack(types) for types in (1, 10, 30)),
    ],
)
def test_no_name_expands_to_much_more_than_its_bound(name: str) -> None:
    demangled = pydemumble.demangle(name)
    assert demangled != name
    assert len(demangled) <= FACTOR * bound_expansion(name)


@pytest.mark.parametrize("name", [CPP_NAME, RUST_NAME])
def test_names_with_dozens_of_references_are_demangled(name: str) -> None:
    assert demangle(name.encode()) not in (b"", name.encode())
