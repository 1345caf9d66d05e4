from nas.ledger import RateRow, rate_rows
from nas.protocol import Protocol
from nas.run import LedgerEntry, Run
from search_spaces.zoo import ZOO
from tests.nas.pretend import succeed


def result_with(*ledger, edge=False):
    run = Run(study_id="s", number=0, rung=0, architecture=ZOO["transformer"].build(), protocol=Protocol(), seed=1, data_seed=2)
    result = succeed(run).result
    assert result is not None
    task = result.tasks[0].model_copy(update={"learning_rate": 3e-3, "edge_of_grid": edge})
    return result.model_copy(update={"ledger": ledger, "tasks": (task,)})


def entry(rate, replica, value, task="mqar"):
    test = None if value is None else value + 0.1
    return LedgerEntry(task=task, learning_rate=rate, replica=replica, validation=value, test=test, diverged=value is None)


def test_every_rate_has_the_means_of_the_runs_that_did_not_diverge():
    result = result_with(
        entry(1e-2, 0, None), entry(1e-2, 1, None),
        entry(3e-3, 0, 0.5), entry(3e-3, 1, 0.75),
        entry(1e-3, 0, 0.25), entry(1e-3, 1, None), entry(1e-3, 0, 0.9, task="other"),
    )  # fmt: skip
    assert rate_rows(result) == {
        "mqar": (
            RateRow(1e-3, 2, 1, 0.25, 0.35, chosen=False, edge_of_grid=False),
            RateRow(3e-3, 2, 0, 0.625, 0.725, chosen=True, edge_of_grid=False),
            RateRow(1e-2, 2, 2, None, None, chosen=False, edge_of_grid=False),
        )
    }


def test_the_edge_is_said_of_the_chosen_rate_alone():
    (rows,) = rate_rows(result_with(entry(1e-3, 0, 0.25), entry(3e-3, 0, 0.5), edge=True)).values()
    assert [row.edge_of_grid for row in rows] == [False, True]


def test_a_task_without_a_ledger_has_no_rows():
    assert rate_rows(result_with()) == {}
