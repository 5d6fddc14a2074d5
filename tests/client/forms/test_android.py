"""Android tombstones and logcat."""

import pytest

from tests.client.forms.reading import BOTH, ids, read, sample_offsets, stack


@pytest.mark.parametrize("name", ["tombstone.txt", "logcat.txt"])
def test_androids_frames_are_those_of_the_sample(name: str) -> None:
    job = read(name)
    assert ids(job) >= BOTH
    assert stack(job) == list(sample_offsets())
    assert job.titles[0] == "Thread 1092 Thread-2"


def test_a_frame_of_android_without_a_file_or_a_build_id_is_told() -> None:
    job = read("tombstone.txt")
    assert list(job.frames.indexes)[-2:] == [-1, 3]
    assert job.titles[1] == "Thread 1071 example.orchard"
    [problem] = job.problems
    assert problem.startswith("libold.so: no build id")
