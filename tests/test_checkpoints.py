"""How work is cut between two checkpoints, whatever images cost: planned with a clock of our own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyspark")

from dedup_core.spark.encode.checkpoints import BUCKETS, Bucket, Pace, parts


class Clock:
    """A clock that goes on when somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def planned(sizes, pace, fixed, each, noise=lambda _number: 1.0):
    """Return the parts that come of images and parts that cost so much: [(part, seconds)]."""
    clock, done = Clock(), []
    for number, part in enumerate(parts(sizes, pace, clock)):
        seconds = (fixed + each * part.images) * noise(number)
        clock.now += seconds
        done.append((part, seconds))
    return done


def even(images_a_bucket):
    return {number: Bucket(images_a_bucket, 1000) for number in range(BUCKETS)}


buckets = st.dictionaries(
    st.integers(0, BUCKETS - 1), st.builds(Bucket, st.integers(1, 5000), st.integers(1, 10**9)), max_size=200
)
paces = st.builds(Pace, st.floats(1e-3, 1e4), st.integers(1, 300), st.integers(1, 500))


@given(buckets, paces, st.floats(0, 1e3), st.floats(0, 1), st.lists(st.floats(0.1, 10), min_size=1, max_size=9))
def test_every_image_is_in_one_part_and_no_part_collapses(sizes, pace, fixed, each, noise):
    done = planned(sizes, pace, fixed, each, lambda number: noise[number % len(noise)])
    covered = [n for part, _ in done for n in sorted(sizes) if part.first <= n <= part.last]
    assert covered == sorted(sizes)
    for part, _ in done:
        inside = [bucket for number, bucket in sizes.items() if part.first <= number <= part.last]
        assert part.images == sum(bucket.images for bucket in inside)
        assert part.largest == max(bucket.largest for bucket in inside)
        as_asked = -(-part.images // pace.images_per_task)
        assert min(as_asked, 4 * pace.cores) <= part.tasks <= as_asked
    if len(done) > 1:
        assert min(part.images for part, _ in done) >= pace.least


@settings(max_examples=20, deadline=None)
@given(paces, st.floats(0, 1e3), st.floats(0, 1))
def test_no_part_plans_more_tasks_than_a_driver_bears(pace, fixed, each):
    for part, _ in planned(even(100_000), pace, fixed, each):
        assert part.tasks <= 120_000  # a limit of 100,000, and the buckets that are not cut


@pytest.mark.parametrize(("fixed", "each"), [(1, 0.001), (5, 0.01), (0, 0.0002), (20, 0.001)])
def test_parts_take_about_as_long_as_was_asked(fixed, each):
    done = planned(even(1000), Pace(60, 128, 2), fixed, each)
    assert all(30 < seconds < 130 for _, seconds in done[4:-1])
    assert len(done) > 1


@pytest.mark.parametrize("fixed", [60, 100, 1000])
def test_a_fixed_cost_beyond_what_was_asked_makes_parts_larger_and_not_smaller(fixed):
    done = planned(even(10_000), Pace(60, 128, 2), fixed, 0.001)
    for part, seconds in done[5:-1]:
        assert fixed / seconds < 0.3, f"{part.images:,} images in {seconds:.0f} s"


@pytest.mark.parametrize(("each", "images"), [(0.1, 128), (0.01, 200), (0.002, 1000), (0.0002, 10_000)])
def test_tasks_are_as_long_as_pays_where_images_cost_little(each, images):
    """Seconds of a core: half of that on the clock of two."""
    *_, (part, _), _ = planned(even(1000), Pace(60, 128, 2), 0, each / 2)
    assert part.images / part.tasks == pytest.approx(images, rel=0.3) or part.tasks == 8


def test_what_keeps_one_part_busy_is_one_part():
    assert [part.images for part, _ in planned(even(2), Pace(1e-6, 128, 2), 100, 1)] == [2048]
    assert planned({}, Pace(60, 128, 2), 1, 1) == []
