"""Named protocols are what they are named for."""

import pytest

from nas.metrics import known
from nas.protocol import Protocol
from nas.protocol_presets import PRESETS, SWEEPS
from nas.tasks import MQAR, InContextRecall, NoisyRecall

PUBLISHED = {
    "in_context_recall": 11,
    "fuzzy_recall": 11,
    "noisy_recall": 14,
    "selective_copying": 13,
    "compression": 11,
    "memorization": 6,
}
"""Settings of each task in MAD's configuration files, the baseline among them."""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_protocol_with_documents_and_a_question(name: str):
    protocol = PRESETS[name]()
    assert Protocol.from_json(protocol.to_json()).digest == protocol.digest
    assert PRESETS[name].__doc__
    assert protocol.tokens <= 8192


def test_mad_has_all_published_settings_once():
    assert {name: len(sweep()) for name, sweep in SWEEPS.items()} == PUBLISHED
    assert {name: len(PRESETS[f"mad_{name}"]().tasks) for name in SWEEPS} == PUBLISHED
    tasks = PRESETS["mad"]().tasks
    assert len({task.digest for task in tasks}) == len(tasks) == sum(PUBLISHED.values()) == 66


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_changes_one_setting_of_its_baseline_at_a_time(name: str):
    baseline, *others = (task.to_data() for task in SWEEPS[name]())
    for other in others:
        assert sum(other[field] != baseline[field] for field in baseline) == 1


def test_noisy_recall_changes_what_is_published():
    tasks = [task for task in SWEEPS["noisy_recall"]() if isinstance(task, NoisyRecall)]
    assert {task.vocab_size for task in tasks} == {32, 48, 80, 144}
    assert {task.sequence_length for task in tasks} == {128, 256, 512, 1024}
    assert {task.n_train for task in tasks} == {12_800, 6400, 3200, 1600, 800}
    assert {task.noise_share for task in tasks} == {0.2, 0.4, 0.6, 0.8}


def test_members_of_a_sweep_are_told_apart_in_reports():
    protocol = PRESETS["mad"]()
    labels = protocol.task_labels()
    assert len(set(labels)) == len(labels) == len(protocol.tasks)
    assert labels[:2] == ("In-context recall", "In-context recall (sequence_length 256)")
    titles = [metric.title for metric in known(protocol).values()]
    assert "Selective copying (n_copied 96): accuracy" in titles


def test_a_task_alone_needs_no_settings_in_its_name():
    assert Protocol(tasks=(MQAR(n_pairs=4), InContextRecall())).task_labels() == (MQAR.title, InContextRecall.title)
