import time
from contextlib import suppress

from workers.stopwatch import Stopwatch


def test_a_stopwatch_adds_up_the_stretches_it_is_entered_for():
    watch = Stopwatch()
    for _ in range(2):
        with watch:
            time.sleep(0.02)
        time.sleep(0.02)
    assert 0.04 <= watch.seconds < 0.06


def test_a_stopwatch_counts_what_fails_too():
    watch = Stopwatch()
    with suppress(ValueError), watch:
        time.sleep(0.01)
        raise ValueError("half way")
    assert watch.seconds >= 0.01
