"""`nas tasks` lists tasks and named protocols for people and for programs."""

import json

from nas.cli.failures import MISSING
from nas.protocol_presets import PRESETS
from nas.tasks.catalogue import CATALOGUE
from search_spaces.reference.fields import fields_of
from tests.service import nas


def test_tasks_lists_everything_within_the_terminal() -> None:
    text = nas("tasks", COLUMNS="60").stdout
    assert max(len(line) for line in text.splitlines()) <= 60
    said = " ".join(text.split())
    for name, task in CATALOGUE.items():
        assert f"{name} {task.title} metric: {task.metric}" in said
    for name in PRESETS:
        assert f"{name} (protocol)" in said


def test_tasks_explains_what_is_asked_for() -> None:
    said = " ".join(nas("tasks", "noisy_recall", "mad_noisy_recall", COLUMNS="100").stdout.split())
    for field in fields_of(CATALOGUE["noisy_recall"]):
        assert field.name == "name" or f"{field.name} (" in said
    assert "noisy_recall-14: Noisy in-context recall (noise_share 0.8)" in said
    assert "mqar" not in said


def test_tasks_speaks_json() -> None:
    lines = [json.loads(line) for line in nas("tasks", "--json").stdout.splitlines()]
    assert [line["name"] for line in lines] == [*CATALOGUE, *PRESETS]


def test_tasks_names_what_there_is_instead() -> None:
    found = nas("tasks", "mad_mimi")
    assert found.returncode == MISSING
    assert "no task or protocol 'mad_mimi'; there are" in found.stderr
