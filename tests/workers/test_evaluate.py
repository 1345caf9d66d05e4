import json
import math
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from nas.protocol import Rung
from nas.run import Finished
from nas.tasks import BytesLM
from search_spaces.architecture import ContinuousInput, Layer, TokenInput
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.primitives.fnet import FNet
from tests.workers.runs import HYBRID, PROTOCOL, RECALL, make_run, protocol
from workers import evaluate as evaluate_module
from workers import tasks
from workers.evaluate import evaluate, main
from workers.model import build

THREE_RATES = protocol(learning_rates=(0.001, 0.003, 0.01), rungs=(Rung(steps=4, replicas=2),))


def succeeded(run, workspace, data_root=None):
    finished = evaluate(run, workspace, data_root)
    assert finished.failure is None, finished.failure
    assert finished.key == run.key
    return finished.result


def failed(run, workspace, data_root=None):
    finished = evaluate(run, workspace, data_root)
    assert finished.result is None
    assert finished.failure is not None
    assert finished.failure.hint
    assert not list(workspace.rglob("*.safetensors")), "a failed run leaves nothing behind"
    return finished.failure


def test_evaluate_trains_the_whole_grid(tmp_path):
    result = succeeded(make_run(protocol=THREE_RATES), tmp_path)
    rates, replicas = THREE_RATES.learning_rates, (0, 1)
    assert [(entry.learning_rate, entry.replica) for entry in result.ledger] == [(a, b) for a in rates for b in replicas]
    assert len({entry.validation for entry in result.ledger}) > 1
    assert result.measurement.optimiser_steps == 24 == THREE_RATES.optimiser_steps(0)
    assert result.measurement.tokens == 24 * 8 * 16
    assert result.measurement.n_params == price(HYBRID, CostContext(context_length=1)).params


def test_evaluate_measures_what_the_trainings_took(tmp_path):
    measurement = succeeded(make_run(protocol=THREE_RATES), tmp_path).measurement
    assert 0 < measurement.data_seconds < measurement.train_seconds < measurement.wall_seconds
    assert math.isclose(measurement.train_tokens_per_second, measurement.tokens / measurement.train_seconds)


def test_evaluate_reports_test_at_the_rate_that_validation_chose(tmp_path):
    result = succeeded(make_run(protocol=THREE_RATES), tmp_path)
    (task,) = result.tasks
    by_rate = {rate: [entry for entry in result.ledger if entry.learning_rate == rate] for rate in THREE_RATES.learning_rates}
    best = max(sum(entry.validation for entry in entries) for entries in by_rate.values())
    assert sum(entry.validation for entry in by_rate[task.learning_rate]) == best
    assert task.values == tuple(entry.test for entry in by_rate[task.learning_rate])
    assert math.isclose(result.score, sum(task.values) / 2)
    assert math.isclose(result.validation_score, best / 2)
    assert result.interval == "replicas"


def numbers(result):
    """Everything of a result that may not depend on time, place or the road taken."""
    return result.model_copy(update={"measurement": None, "folder": "", "notes": ()})


def test_rungs_that_resume_equal_one_that_never_stopped(tmp_path):
    # a point of the curve every second step, and rungs that end between two of them
    rungs = protocol(rungs=(Rung(steps=7), Rung(steps=15), Rung(steps=90, replicas=2)))
    resume, chain = None, []
    for rung in (0, 1, 2):
        chain.append(succeeded(make_run(protocol=rungs, rung=rung, resume=resume), tmp_path / "chain"))
        resume = chain[-1].folder
    whole = succeeded(make_run(protocol=rungs, rung=2), tmp_path / "whole")
    assert numbers(chain[2]) == numbers(whole)
    assert [result.measurement.optimiser_steps for result in chain] == [rungs.optimiser_steps(rung) for rung in (0, 1, 2)]
    assert whole.measurement.optimiser_steps == sum(rungs.optimiser_steps(rung) for rung in (0, 1, 2))
    for artifact in whole.artifacts:
        path = f"studies/study/trials/3/rung-2/attempt-1/{artifact.path}"
        assert (tmp_path / "chain" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_runs_that_confirm_have_training_data_that_no_other_run_has(tmp_path, monkeypatch):
    seen, build_task = [], tasks.build

    def spied(task, *arguments):
        generator = build_task(task, *arguments)
        original = generator.train_batch

        def train_batch(replica, step, batch_size):
            batch = original(replica, step, batch_size)
            seen.append(batch.inputs.numpy().tobytes())
            return batch

        monkeypatch.setattr(generator, "train_batch", train_batch)
        return generator

    monkeypatch.setattr(tasks, "build", spied)
    rules = protocol(rungs=(Rung(steps=2, replicas=2),), learning_rates=(0.001,))
    for rung in (0, 1, 2):
        succeeded(make_run(protocol=rules, rung=rung, rates={"mqar": 0.001} if rung else {}), tmp_path)
    assert len(seen) == len(set(seen)) == 2 * 2 + 2 + 2


@pytest.mark.parametrize("victim", ["weights", "optimiser", "trainings.json", "manifest.json", "folder"])
def test_damaged_checkpoint_is_trained_again_and_said(tmp_path, victim):
    lower = succeeded(make_run(), tmp_path)
    folder = tmp_path / lower.folder
    if victim == "folder":
        folder.rename(tmp_path / "elsewhere")
    else:
        path = next(path for path in sorted(folder.rglob("*")) if victim in path.name)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    result = succeeded(make_run(rung=1, resume=lower.folder), tmp_path)
    assert "trained again from the start" in result.notes[0]
    assert numbers(result) == numbers(succeeded(make_run(rung=1), tmp_path / "whole"))


def test_artifacts_are_the_chosen_model_and_its_logits(tmp_path):
    result = succeeded(make_run(), tmp_path)
    folder = tmp_path / result.folder
    assert [artifact.path for artifact in result.artifacts] == ["weights/mqar.safetensors", "parity/mqar.safetensors"]
    for artifact in result.artifacts:
        assert (folder / artifact.path).stat().st_size == artifact.n_bytes
    model = build(HYBRID)
    model.load_state_dict(load_file(folder / "weights/mqar.safetensors"))
    parity = load_file(folder / "parity/mqar.safetensors")
    assert torch.allclose(model.eval()(parity["input_ids"]).logits_BTV, parity["logits"], atol=1e-6)


def test_two_tasks_are_trained_apart_and_averaged(tmp_path):
    text = BytesLM(sequence_length=16, n_validation=16, n_test=16)
    two = protocol(tasks=(RECALL, text, RECALL.model_copy(update={"n_pairs": 4})), rungs=(Rung(steps=2),))
    wide = HYBRID.model_copy(update={"input": TokenInput(vocab_size=256)})
    result = succeeded(make_run(protocol=two, architecture=wide), tmp_path)
    assert [task.task for task in result.tasks] == ["mqar", "bytes_lm", "mqar-2"]
    assert len({task.data_digest for task in result.tasks}) == 3
    assert math.isclose(result.score, sum(task.score for task in result.tasks) / 3)
    assert len(result.artifacts) == 6


def test_all_rates_diverged_is_nan(tmp_path):
    # a step multiplies the weights by 1 - rate * decay, so these grow ninefold until they overflow
    wild = PROTOCOL.recipe.model_copy(update={"weight_decay": 10.0, "warmup_fraction": 0.0})
    rungs = (Rung(steps=60),)
    failure = failed(make_run(protocol=protocol(learning_rates=(0.95, 1.0), recipe=wild, rungs=rungs)), tmp_path)
    assert failure.kind == "nan"
    assert "mqar" in failure.message


def test_one_diverged_rate_is_passed_over_at_every_rung(tmp_path):
    wild = PROTOCOL.recipe.model_copy(update={"weight_decay": 10.0, "warmup_fraction": 0.0})
    mixed = protocol(learning_rates=(0.001, 1.0), recipe=wild, rungs=(Rung(steps=60), Rung(steps=70)))
    lower = succeeded(make_run(protocol=mixed), tmp_path)
    upper = succeeded(make_run(protocol=mixed, rung=1, resume=lower.folder), tmp_path)
    for result in (lower, upper):
        assert [entry.diverged for entry in result.ledger] == [False, True]
        assert result.ledger[1].test is None
        assert result.tasks[0].learning_rate == 0.001
    assert upper.measurement.optimiser_steps == 10


def test_deadline_is_timeout(tmp_path):
    assert failed(make_run(max_seconds=1e-3), tmp_path).kind == "timeout"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rung": 7}, "rung 7"),
        ({"architecture": HYBRID.model_copy(update={"input": TokenInput(vocab_size=8)})}, "the tasks need 16"),
        ({"architecture": HYBRID.model_copy(update={"input": ContinuousInput(n_channels=2)})}, "reads measurements"),
        ({"architecture": HYBRID.model_copy(update={"core": (Layer(mixers=(FNet(),)),)})}, "(fnet) sees later tokens"),
        ({"study_id": "../../../../outside"}, "outside the workspace"),
        ({"resume": "../../outside"}, "outside the workspace"),
        ({"architecture": HYBRID.model_copy(update={"d_model": 65_536, "core": HYBRID.core * 500})}, "parameters"),
        ({"protocol": protocol(tasks=(BytesLM(corpus="absent"),)), "architecture": "wide"}, "data root"),
    ],
)
def test_impossible_run_is_invalid(tmp_path, changes, words):
    if changes.get("architecture") == "wide":
        changes = changes | {"architecture": HYBRID.model_copy(update={"input": TokenInput()})}
    failure = failed(make_run(**changes), tmp_path)
    assert failure.kind == "invalid"
    assert words in failure.message


def test_wrong_cost_formula_is_invalid(tmp_path, monkeypatch):
    cost = price(HYBRID, CostContext(context_length=1))
    monkeypatch.setattr(evaluate_module, "price", lambda *_: cost + cost)
    failure = failed(make_run(), tmp_path)
    assert failure.kind == "invalid"
    assert "cost formula" in failure.message


def test_unexpected_exception_is_crash_with_its_traceback(tmp_path):
    (tmp_path / "studies").write_text("a file where a folder must go")
    failure = failed(make_run(), tmp_path)
    assert failure.kind == "crash"
    assert "Traceback" in failure.message
    assert "NotADirectoryError" in failure.message


def test_command_prints_what_came_of_the_run(tmp_path, capsys):
    (tmp_path / "run.json").write_text(make_run().to_json())
    status = main([f"{tmp_path}/run.json", "--workspace", f"{tmp_path}/workspace", "--out", f"{tmp_path}/out.json"])
    finished = Finished.from_json(capsys.readouterr().out)
    assert status == 0
    assert finished == Finished.from_json((tmp_path / "out.json").read_text())
    assert numbers(finished.result) == numbers(succeeded(make_run(), tmp_path / "here"))


def kind(text):
    failure = Finished.from_json(text).failure
    return None if failure is None else failure.kind


def test_command_tells_failures_and_bad_input_apart(tmp_path, capsys):
    (tmp_path / "run.json").write_text(make_run(max_seconds=1e-3).to_json())
    assert main([f"{tmp_path}/run.json", "--workspace", f"{tmp_path}"]) == 1
    assert kind(capsys.readouterr().out) == "timeout"
    (tmp_path / "bad.json").write_text(json.dumps(make_run().to_data() | {"surprise": 1}))
    assert main([f"{tmp_path}/bad.json"]) == 2
    assert "surprise" in capsys.readouterr().err
    assert main([f"{tmp_path}/absent.json"]) == 2


@pytest.mark.parametrize("task", [{"n_test": 20_000, "sequence_length": 65_536}, {}], ids=["numpy", "torch"])
def test_command_that_runs_out_of_memory_is_oom(tmp_path, task):
    """Test data of 10 GB, and 4 GB of logits."""
    big = protocol(tasks=(RECALL.model_copy(update=task),), recipe=PROTOCOL.recipe.model_copy(update={"batch_size": 64}))
    wide = HYBRID.model_copy(update={"input": TokenInput(vocab_size=1_000_000)})
    (tmp_path / "run.json").write_text(make_run(protocol=big, architecture=wide).to_json())
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (3 * 2**30,) * 2);"
        "from workers.evaluate import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", limited, f"{tmp_path}/run.json", "--workspace", f"{tmp_path}/workspace"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert kind(done.stdout) == "oom"
