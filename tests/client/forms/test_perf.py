"""The output of `perf script`."""

from tests.client.forms.reading import BOTH, ids, read, read_text, stack


def test_perfs_call_chains_have_the_build_ids_of_its_mappings() -> None:
    job = read("perf-script.txt")
    assert ids(job) == BOTH
    assert stack(job) == [0x1210, ~0x11CB, ~0x11CB, ~0x118D, ~0x1072, ~0x27249, ~0x27304, ~0x10B0]
    assert job.titles == ("orchard 9245 30383.837612: 1 page-faults:u",)
    assert "--no-inline" in job.problems[0]


def test_addresses_of_an_older_perf_are_put_into_their_mapping() -> None:
    job = read_text(
        b"a 1 1.0: PERF_RECORD_MMAP2 1/1: [0x5000(0x1000) @ 0x1000 <abcd>]: r-xp /a\n"
        b"a 1 1.1:  250000 cycles: \n\t  5010 f+0x1 (/a)\n\t ffffffff81 k+0x1 ([kernel.kallsyms])\n"
    )
    assert stack(job) == [0x1010, ~0xFFFFFFFF81]
    assert list(job.frames.indexes) == [0, -1]


def test_a_mapping_without_a_build_id_is_told() -> None:
    [problem] = read_text(b"a 1 1.1:  250000 cycles: \n\t  1010 f+0x1 (/usr/a)\n").problems
    assert problem.startswith("a: no build id")
    assert "--buildid-mmap" in problem
