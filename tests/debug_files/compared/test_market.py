"""A program full of the standard library is answered as both references answer it: `make sweep`."""

from pathlib import Path

import pytest

from tests.debug_files.compared.asking import LEAST_SHARE, ask_all
from tests.debug_files.compared.comparing import Verdict, names, share_equal
from tests.debug_files.compiling import NATIVE, Recipe, compile_program

MARKET = [str(NATIVE / "mill/market.cpp")]
LEAST_ADDRESSES = 4_000
LEAST_NAMED = 0.97
"""The linker folds functions of the library that are the same: one of them has its name."""

RECIPES = [
    Recipe("g++", "-O0 -gdwarf-4"),
    Recipe("g++", "-O1 -gdwarf-5"),
    Recipe("g++", "-O2 -gdwarf-5"),
    Recipe("g++", "-O3 -gdwarf-4 -ffunction-sections -Wl,--gc-sections"),
    Recipe("g++", "-O2 -g -flto"),
    Recipe("clang++", "-O0 -gdwarf-4"),
    Recipe("clang++", "-O2 -gdwarf-4"),
    Recipe("clang++", "-O3 -gdwarf-5"),
    Recipe("clang++", "-O2 -g -flto -fuse-ld=lld"),
]


@pytest.mark.sweep
@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_frame_has_the_file_line_and_name_of_both_references(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = recipe._replace(options=f"-std=c++17 {recipe.options}")
    compared = ask_all(compile_program(tmp_path, recipe, MARKET))
    verdicts = compared.verdicts
    assert verdicts[Verdict.EQUAL] >= LEAST_ADDRESSES
    assert share_equal(verdicts) >= LEAST_SHARE, verdicts
    alone = verdicts[Verdict.ALONE] + verdicts[Verdict.BETWEEN]
    assert alone <= (1 - LEAST_SHARE) * verdicts.total(), verdicts
    asked = zip(compared.ours, compared.llvm, compared.addr2line, strict=True)
    known = [(names(ours), names(llvm), names(other)) for ours, llvm, other in asked if ours]
    named = [ours in references for ours, *references in known if all(references[0])]
    assert sum(named) >= LEAST_NAMED * len(named)
