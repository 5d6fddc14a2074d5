"""Names of copies and parts of functions are told as the sources have them."""

import pytest

from symbolon_server.symbols.native.source_names import (
    restore_underscore,
    source_name,
    whole_name,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"_ZN4mill4Fine5grindEi.cold", b"mill::Fine::grind(int)"),
        (b"_ZN4workEi.constprop.0.isra.0", b"work(int)"),
        (b"_Z4workv.part.0.cold", b"work()"),
        (b"_Z4workv.llvm.1234567890", b"work()"),
        (b"md5_free.lto_priv.0", b"md5_free"),
        (b"PyLong_New.cold", b"PyLong_New"),
        (b"memcpy.localalias", b"memcpy"),
        (b".cold", b".cold"),
        (b"a.cold.b", b"a.cold.b"),
        (b"std.part", b"std.part"),
        (b"plain", b"plain"),
        (b"", b""),
    ],
)
def test_a_source_name_has_no_suffix_of_a_copy(name: bytes, expected: bytes) -> None:
    assert source_name(name, is_source=True) == expected


@pytest.mark.parametrize("name", [b"main.cold", b"work.part.0", b"plain"])
def test_other_names_keep_theirs(name: bytes) -> None:
    assert source_name(name, is_source=False) == name
    assert whole_name(name, is_source=False) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"_ZN5pears5pressEi.cold", b"_ZN5pears5pressEi"),
        (b"_Z4workv.part.0.cold", b"_Z4workv.part.0"),
        (b"_Z4workv.cold.1", b"_Z4workv"),
        (b"_ZN4workEi.constprop.0", b"_ZN4workEi.constprop.0"),
        (b".cold", b".cold"),
        (b"a.cold.b", b"a.cold.b"),
    ],
)
def test_the_linkage_name_of_a_divided_function_is_that_of_the_whole(
    name: bytes, expected: bytes
) -> None:
    assert whole_name(name, is_source=True) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"ZN4mill5depthEi", b"_ZN4mill5depthEi"),
        (b"Z1fv", b"_Z1fv"),
        (b"RNvCs9ltgdHTiPiY_4mill5depth", b"_RNvCs9ltgdHTiPiY_4mill5depth"),
        (b"Zone", b"Zone"),
        (b"Read", b"Read"),
        (b"ZSTD_compress", b"ZSTD_compress"),
        (b"main", b"main"),
        (b"_ZN4mill5depthEi", b"_ZN4mill5depthEi"),
    ],
)
def test_an_underscore_is_restored_only_before_a_mangled_name(name: bytes, expected: bytes) -> None:
    assert restore_underscore(name) == expected
