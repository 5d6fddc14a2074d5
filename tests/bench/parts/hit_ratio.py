"""Misses of a bounded store under a crash workload: pages, whole modules, and names only."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, cycle, islice, pairwise
from typing import Final

import numpy as np

from tests.bench.hit_ratios.simulation import (
    HOPELESS,
    INSERTIONS,
    NAMES,
    ONCE_FULL,
    PLAIN,
    POLICY,
    SOON,
    TOLD_PER_BUILD,
    WHOLE,
    Case,
    Misses,
    simulate_all,
)
from tests.bench.hit_ratios.sizes import SEED, KeyBytes, ModuleSizes, sizes_of
from tests.bench.hit_ratios.stores import (
    SCALE,
    Asked,
    ModuleStore,
    PageStore,
    Store,
    is_far_too_small,
)
from tests.bench.hit_ratios.world import Load, Lookups, World
from tests.bench.plan import MB, Bench, Plan
from tests.bench.results import Bar, Cell, PartResult, Plot, Table, show
from tests.bench.world.simulated_redis import SAMPLES
from tests.bench.world.workload import STAYS

_BATCHES: Final = 1_000
"""In which the lookups fall on the real stores."""

_KEPT: Final = (POLICY, ONCE_FULL, PLAIN, WHOLE, NAMES)
_MOST: Final = {148: 13.5, 300: 3.9, 500: 1.15, 742: 0.55}
_MOST_OF_LONG: Final = {148: 14.0, 300: 3.8, 500: 0.75}
"""Misses in % that the rule may have at a size in MB, at Zipf 1.0."""

_OF_BEST: Final = 1.1
_LOWEST: Final = 0.01
"""In %, for the logarithmic axis of a plot."""

Found = Mapping[Case, Misses]


def run(bench: Bench) -> PartResult:
    """Let the same lookups fall on simulated stores, and on real ones all at once."""
    plan = bench.plan
    sizes = _read_sizes(bench)
    # As in a real process: few large modules, which most frames are in, and many small ones.
    files = list(islice(chain(sizes, cycle(sizes[-2:])), plan.hit_modules))
    key_bytes = KeyBytes.measure(
        bench.files[0].module_id, sizes[0].pages, SCALE, plan.hit_sample_keys
    )
    world = World(files, plan.hit_builds, key_bytes.really)
    cases = list(chain.from_iterable(_cases(load, plan) for load in _loads(plan)))
    bench.progress.begin("hit_ratio: simulated stores", len(cases))
    simulated = simulate_all(world, cases, bench.progress.advance)
    real = _look_up_really(bench, world, key_bytes)
    return _result(bench, simulated, real)


def _read_sizes(bench: Bench) -> list[ModuleSizes]:
    bench.progress.begin("hit_ratio: symbol files are read", len(bench.files))
    sizes = []
    for file in bench.files:
        sizes.append(sizes_of(file))
        bench.progress.advance()
    return sizes


def _loads(plan: Plan) -> list[Load]:
    """Return what is simulated; the longest first, so that all cores end together."""
    lookups, builds, first = plan.hit_lookups, plan.hit_builds, plan.hit_exponents[0]
    return [
        _long(plan),
        *(Load(exponent, lookups, builds) for exponent in plan.hit_exponents),
        Load(first, lookups, builds, is_drawn_anew=True),
        _quick(plan),
    ]


def _long(plan: Plan) -> Load:
    return Load(plan.hit_exponents[0], plan.hit_long_lookups, plan.hit_builds)


def _quick(plan: Plan) -> Load:
    """Return the load of the real stores."""
    seconds = plan.hit_real_seconds / plan.hit_builds
    return Load(plan.hit_exponents[0], plan.hit_lookups, plan.hit_builds, build_seconds=seconds)


def _sizes(load: Load, plan: Plan) -> Sequence[float]:
    if load == _long(plan):
        return plan.hit_long_sizes
    return plan.hit_real_sizes if load == _quick(plan) else plan.hit_sizes


def _cases(load: Load, plan: Plan) -> Iterator[Case]:
    for size in _sizes(load, plan):
        for kept in _KEPT:
            yield Case(kept, load, round(size * MB))


def _look_up_really(bench: Bench, world: World, key_bytes: KeyBytes) -> Found:
    """Let the lookups fall on real stores side by side."""
    load = _quick(bench.plan)
    lookups = Lookups.draw(world, load)
    with ExitStack() as opened:
        stores = {
            case: _open(case, world, lookups, key_bytes, opened)
            for case in _cases(load, bench.plan)
        }
        bounds = np.linspace(0, len(lookups), min(_BATCHES, len(lookups)) + 1).astype(int).tolist()
        bench.progress.begin("hit_ratio: real stores", len(bounds) - 1)
        started = time.monotonic()
        for start, end in pairwise(bounds):
            due = bench.plan.hit_real_seconds * start / len(lookups)
            time.sleep(max(0.0, started + due - time.monotonic()))
            asked = Asked.of(lookups, start, end)
            for store in stores.values():
                if not is_far_too_small(store, len(lookups)):
                    store.look_up(asked, round(time.monotonic() - started))
            bench.progress.advance()
        return {
            case: Misses(store.lookups, store.misses, store.again) for case, store in stores.items()
        }


def _open(
    case: Case, world: World, lookups: Lookups, key_bytes: KeyBytes, opened: ExitStack
) -> Store:
    if case.kept in INSERTIONS:
        insertion = INSERTIONS[case.kept](world, opened)
        return PageStore(
            world, insertion, lookups, case.max_bytes, key_bytes=key_bytes, opened=opened
        )
    sizes = world.whole_sizes if case.kept == WHOLE else world.name_sizes
    return ModuleStore(lookups, sizes, case.max_bytes, key_bytes=key_bytes, opened=opened)


def _result(bench: Bench, simulated: Found, real: Found) -> PartResult:
    plan = bench.plan
    loads = _loads(plan)[:-1]
    bars = [
        *_most(simulated, Load(1.0, plan.hit_lookups, plan.hit_builds), _MOST, "simulated"),
        *_most(simulated, _long(plan), _MOST_OF_LONG, "simulated"),
        *_most(real, _quick(plan), _MOST, "real Redis"),
        *(_of_best(simulated, load, plan, "simulated") for load in loads),
        _of_best(real, _quick(plan), plan, "real Redis"),
    ]
    return PartResult(
        part="hit_ratio",
        tables=[
            *(_table(simulated, load, plan, f"Simulated, {_name(load)}") for load in loads),
            _table(real, _quick(plan), plan, f"Real Redis, {_name(_quick(plan))}"),
            _table(simulated, _quick(plan), plan, f"Simulated, {_name(_quick(plan))}"),
        ],
        bars=bars,
        plots=[
            *(_plot(simulated, load, plan, "simulated") for load in loads),
            _plot(real, _quick(plan), plan, "real Redis"),
        ],
        notes=_notes(bench),
    )


def _name(load: Load) -> str:
    anew = ", ranks drawn anew for each build" if load.is_drawn_anew else ""
    return f"Zipf {load.exponent}, {load.lookups:,} lookups{anew}, {_pace(load)}"


def _pace(load: Load) -> str:
    hours = load.build_seconds / 3_600
    return f"{hours:g} h a build" if hours >= 1 else f"{load.build_seconds:g} s a build"


def _most(found: Found, load: Load, most: Mapping[int, float], where: str) -> Iterator[Bar]:
    """Yield the bars of the sizes that have one."""
    for size, limit in most.items():
        misses = found.get(Case(POLICY, load, size * MB))
        if misses is not None:
            what = f"misses (%), {where}, {_name(load)}, {size} MB"
            yield Bar(what, misses.percent, limit, is_floor=False)


def _of_best(found: Found, load: Load, plan: Plan, where: str) -> Bar:
    """Return the largest ratio to the best of the others at any size."""
    ratios = []
    for size in _sizes(load, plan):
        rule, *others = (found[Case(kept, load, round(size * MB))].percent for kept in _KEPT)
        ratios.append(rule / min(others))
    what = f"misses ÷ best of all others at that size, at most, {where}, {_name(load)}"
    return Bar(what, max(ratios), _OF_BEST, is_floor=False)


def _table(found: Found, load: Load, plan: Plan, title: str) -> Table:
    rows: list[list[Cell]] = [
        [size, *(_cell(found[Case(kept, load, round(size * MB))], load) for kept in _KEPT)]
        for size in _sizes(load, plan)
    ]
    return Table(f"{title}: misses in % of lookups", ("MB", *_KEPT), rows)


def _cell(misses: Misses, load: Load) -> Cell:
    """Return all misses, and those of what had been asked for before; `>` of a store given up."""
    given_up = "" if misses.lookups == load.lookups else "> "
    again = f" ({show(misses.again_percent)})" if misses.again else ""
    cell = f"{given_up}{show(misses.percent)}{again}"
    return cell if given_up or again else misses.percent


def _plot(found: Found, load: Load, plan: Plan, where: str) -> Plot:
    curves = {
        kept: [
            (size, max(found[Case(kept, load, round(size * MB))].percent, _LOWEST))
            for size in _sizes(load, plan)
        ]
        for kept in _KEPT
    }
    return Plot(
        _plot_name(load, plan),
        f"Misses, {where}, {_name(load)}",
        "maxmemory (MB)",
        "% of lookups",
        curves,
        is_log=True,
    )


def _plot_name(load: Load, plan: Plan) -> str:
    kinds = {_long(plan): "-long", _quick(plan): "-real"}
    anew = "-anew" if load.is_drawn_anew else ""
    return f"hit-ratio-{load.exponent}{anew}{kinds.get(load, '')}"


def _notes(bench: Bench) -> list[str]:
    plan = bench.plan
    workload = (
        f"Lookups fall on {plan.hit_modules} modules (each symbol file once, then the two smallest "
        f"again and again) in {plan.hit_builds} builds one after the other; each build is the "
        "newest for the same number of lookups, and a build's share falls by "
        f"{STAYS} with each newer one. Modules, and functions within a module, by Zipf's law; a "
        "function is looked up at one of its ranges, chosen by chance for all builds, as is its "
        f"rank unless ranks are drawn anew; seed {SEED}."
    )
    counted = (
        "Every lookup that finds anything missing counts: the directory, the dictionary or the "
        "page. In brackets: those of pages that had been asked for before. Each module misses "
        "once, when it is new. A lookup without its page puts the page, one without the directory "
        "ingests the module."
    )
    kept = (
        f"“{POLICY}” is the code of `symbolon_server.insertion` with a cache Redis of its own, "
        "whose clock is that of the lookups; servers tell it of them "
        f"{TOLD_PER_BUILD} times while a build is the newest. "
        f"“{ONCE_FULL}” is what Symbolon did before: all pages of a module until 80 % of the "
        "memory is used, then only what is asked for."
    )
    eviction = (
        f"Simulated stores evict as Redis does: {SAMPLES} sampled keys, a pool of 16, ages in "
        "whole seconds. Real ones are Redis servers with `allkeys-lru`; keys and stores are at "
        f"1/{SCALE} of their size, figures are at full size; the lookups fall on them in "
        f"{_BATCHES:,} batches. A store that missed more than {HOPELESS:.0%} after {SOON:.0%} of "
        "the lookups is given up; `>` marks its share up to there."
    )
    return [workload, counted, kept, eviction]
