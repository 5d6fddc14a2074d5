"""Lines of `backtrace_symbols`."""

from tests.client.forms.reading import ids, read, read_text, returning_offsets, stack


def test_glibcs_lines_are_return_addresses_without_ids() -> None:
    job = read("backtrace_symbols.txt")
    assert stack(job)[3:] == returning_offsets()[1:]
    assert ids(job) == {("libsegfault.so", "", ""), ("libc.so.6", "", ""), ("orchard", "", "")}
    assert len(job.problems) == 3
    assert "readelf -n FILE" in job.problems[0]


def test_an_offset_in_a_function_needs_another_line_of_its_module() -> None:
    job = read_text(b"./prog(show+0x18) [0x401181]\n./prog() [0x4011b6]\n./lib.so(+0x10)[0x7f10]\n")
    assert list(job.frames.indexes) == [-1, -1, 0]
    assert job.problems[0].startswith("./prog: the lines have offsets in functions only")
