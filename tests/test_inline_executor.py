import pytest

from nas.run import Run
from nas.study import StudySpec
from search_spaces.presets import recall_demo
from search_spaces.zoo import ZOO
from tests.inline_executor import InlineExecutor
from tests.nas import pretend

PROTOCOL = StudySpec(name="study", space=recall_demo()).protocol


def run(number):
    architecture = ZOO["transformer"].build()
    return Run(study_id="s", number=number, rung=0, architecture=architecture, protocol=PROTOCOL, seed=1, data_seed=2)


def test_inline_executor_returns_what_was_submitted_in_order():
    executor = InlineExecutor(pretend.succeed, n_slots=2)
    executor.submit(run(3))
    executor.submit(run(1))
    assert [finished.number for finished in executor.poll(0)] == [3, 1]
    assert executor.poll(0) == []


def test_inline_executor_refuses_more_than_its_capacity():
    executor = InlineExecutor(pretend.succeed)
    executor.submit(run(0))
    with pytest.raises(RuntimeError, match="no free slot"):
        executor.submit(run(1))


def test_inline_executor_forgets_what_is_cancelled():
    executor = InlineExecutor(pretend.succeed, n_slots=2)
    executor.submit(run(0))
    executor.submit(run(1))
    executor.cancel(run(0).key)
    executor.cancel(run(7).key)
    assert [finished.number for finished in executor.poll(0)] == [1]
    executor.submit(run(2))
    executor.close()
    assert executor.poll(0) == []


def test_inline_executor_gives_an_exception_back_as_a_crash():
    def evaluate(given):
        raise KeyError(given.number)

    executor = InlineExecutor(evaluate)
    executor.submit(run(0))
    failure = executor.poll(0)[0].failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("crash", "KeyError: 0")
