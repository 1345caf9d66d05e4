"""docs/tasks.md is what the code says, and the code says something of every knob."""

from pathlib import Path

import pytest

from nas.tasks import BUILT_IN
from nas.tasks.page import page
from search_spaces.reference.fields import fields_of

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_code_says():
    assert (DOCS / "tasks.md").read_text(encoding="utf-8") == page(DOCS / "example_task"), "run make docs"


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_task_says_what_it_is(name: str):
    task = BUILT_IN[name]
    assert task.model_fields["name"].default == name
    assert task.__doc__
    assert task.chance.__doc__
    assert all(field.meaning for field in fields_of(task) if field.name != "name")
