"""How far the draw of the test sequences alone may move a run's score."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.run import TaskResult
from nas.tasks import Task


def sample_error(found: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task]) -> float:
    """The standard error of a run's score, from its tasks' results as data; 0 where they tell of seeds instead."""
    return _error([(tasks[each["task"]], each["values"], each["standard_error"]) for each in found])


def result_error(found: Sequence[TaskResult], tasks: Mapping[str, Task]) -> float:
    """The same of a result."""
    return _error([(tasks[each.task], each.values, each.standard_error) for each in found])


def _error(found: Sequence[tuple[Task, Sequence[float], float]]) -> float:
    if any(len(values) > 1 for _, values, _ in found):
        return 0.0
    reaches = [abs(task.score(values[0] + error) - task.score(values[0] - error)) / 2 for task, values, error in found]
    return math.hypot(*reaches) / len(found)
