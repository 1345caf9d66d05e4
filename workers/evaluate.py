"""Run in, result or classified failure out: `evaluate` never raises, and needs neither Ray nor a database.

Every task is trained at each learning rate with each replica to the rung's steps; validation chooses the learning rate, the
test value at it is reported. `python -m workers.evaluate run.json` does one run alone and prints what came of it.
"""

import argparse
import math
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import ValidationError

from nas.causality import reads_ahead
from nas.data.cache import PACKS_FOLDER
from nas.errors import Invalid
from nas.protocol import Protocol, Rung
from nas.run import Artifact, Finished, LedgerEntry, Measurement, Result, Run, TaskResult
from nas.seeds import derive
from nas.width_transfer import untransferable
from search_spaces.architecture import Architecture
from search_spaces.cost import check_size, price
from search_spaces.inputs import cannot_read
from search_spaces.primitives import CostContext
from workers import energy, failures, inference, latency, machine, measuring, scoring, width_transfer
from workers.batch import Batch
from workers.checkpoint import Damaged, Reader, SavedTraining, Writer
from workers.energy import Meter
from workers.latency import Speed
from workers.learner import Learner
from workers.measuring import Subject
from workers.model import Model, build
from workers.scoring import Chosen, Measured
from workers.stopwatch import Stopwatch
from workers.training import Deadline, Plan, Progress, Training

CURVE_POINTS = 40
"""Points of a loss curve over the whole schedule, the rungs' ends aside."""


def evaluate(run: Run, workspace: Path, data_root: Path | None) -> Finished:
    """Train and score a run; its folder appears below `workspace` when it succeeds. What goes wrong comes back as data."""
    result, failure = None, None
    try:
        result = _Evaluation(run, workspace, data_root).result()
    except Exception as error:
        failure = failures.classify(error)
    return Finished(
        study_id=run.study_id, number=run.number, rung=run.rung, attempt=run.attempt, result=result, failure=failure
    )


@dataclass
class _Log:
    """What adds up while trainings follow each other. Steps, tokens and seconds are this run's own, not lower rungs'."""

    ledger: list[LedgerEntry] = field(default_factory=list)
    saved: list[SavedTraining] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sensitivity: dict[str, float | None] = field(default_factory=dict)
    optimiser_steps: int = 0
    tokens: int = 0
    training: Stopwatch = field(default_factory=Stopwatch)
    data: Stopwatch = field(default_factory=Stopwatch)
    speed: Speed | None = None


@dataclass(frozen=True)
class _Trained:
    """A model at the end of the rung; without measures when it diverged."""

    learner: Learner
    measured: Measured | None


class _Evaluation:
    """One run being evaluated. Raises `Invalid` when the run can never work."""

    def __init__(self, run: Run, workspace: Path, data_root: Path | None) -> None:
        self._started = time.monotonic()
        self._deadline = Deadline(self._started + run.max_seconds)
        self._run = run
        self._rung = _checked_rung(run)
        self._n_params = _checked_params(run.architecture, run.protocol)
        self._data_root, self._packs = data_root, workspace / PACKS_FOLDER
        self._device = machine.device()
        self._energy = Meter(energy.counter(self._device))
        self._folder = _below(workspace, run.folder)
        self._log = _Log()
        self._lower = self._open_lower(workspace)

    def result(self) -> Result:
        """Do it. Raises whatever goes wrong; then nothing of it is left on disk."""
        machine.use_exact_arithmetic()
        machine.reset_peak_memory(self._device)
        writer = Writer(self._folder)
        try:
            chosen = self._tasks(writer)
            writer.trainings(self._log.saved)
            writer.publish()
        finally:
            writer.discard()
        return self._summary(chosen)

    def _tasks(self, writer: Writer) -> list[tuple[Subject, Chosen]]:
        protocol = self._run.protocol
        keyed = zip(protocol.task_keys(), protocol.tasks, strict=True)
        subjects = [
            Subject.of(key, task, derive(self._run.data_seed, key), self._data_root, self._packs) for key, task in keyed
        ]
        return [(subject, self._task(subject, writer)) for subject in subjects]

    def _task(self, subject: Subject, writer: Writer) -> Chosen:
        """Train the whole grid and export the first replica at the learning rate that validation chose."""
        rates = self._run.protocol.learning_rates
        measured: dict[int, list[Measured | None]] = {}
        chosen: Chosen | None = None
        for index, rate in enumerate(rates):
            if self._run.rates.get(subject.key, rate) != rate:
                continue
            trained = [self._train(subject, rate, replica, writer) for replica in range(self._rung.replicas)]
            measured[index] = [one.measured for one in trained]
            chosen = scoring.choose(subject.task, len(rates), measured)
            if chosen is not None and chosen.index == index:
                best = trained[0].learner
        if chosen is None:
            raise failures.Diverged(
                f"{subject.key}: at no learning rate of {list(rates)} did the loss stay finite{_within(self._run)}"
            )
        self._export(subject, best, writer)
        self._time(subject, best.model)
        self._log.sensitivity[subject.key] = scoring.sensitivity(subject.task, measured) if len(measured) > 1 else None
        return chosen

    def _train(self, subject: Subject, rate: float, replica: int, writer: Writer) -> _Trained:
        protocol = self._run.protocol
        generator = torch.Generator().manual_seed(derive(self._run.seed, subject.key, replica))
        learner = subject.generator.learner(build(self._run.architecture, generator))
        learner.initialise(generator)
        width_transfer.start(learner.model, protocol.recipe.width_transfer)
        training = Training(learner.to(self._device), _plan(self._run, rate))
        self._resume(training, subject.key, rate, replica)
        self._advance(training, subject, replica)
        measured = None if training.progress.diverged else self._measure(learner, subject)
        self._record(training, subject.key, rate, replica, measured)
        if self._run.rung < protocol.last_rung:
            self._save(training, subject.key, rate, replica, writer)
        return _Trained(learner, measured)

    def _resume(self, training: Training, key: str, rate: float, replica: int) -> None:
        """Go on from the rung below; what cannot be trusted is trained again from the start, and a note says so."""
        saved = self._lower.trainings.get((key, rate, replica)) if self._lower else None
        if self._lower is None or saved is None:
            return
        progress = Progress(saved.step, saved.diverged, list(saved.curve))
        try:
            if saved.diverged:
                training.progress = progress
            else:
                weights, optimiser = self._lower.tensors(saved.weights_path), self._lower.tensors(saved.optimiser_path)
                training.restore(weights, optimiser, progress)
        except Damaged as problem:
            self._log.notes.append(f"{key} at {rate}, replica {replica}, was trained again from the start: {problem}")

    def _advance(self, training: Training, subject: Subject, replica: int) -> None:
        batch_size, before = self._run.protocol.recipe.batch_size, training.progress.step
        stream = replica + _first_stream(self._run)

        def batch_of(step: int) -> Batch:
            self._energy.look()
            with self._log.data:
                batch = subject.generator.train_batch(stream, step, batch_size)
            self._log.tokens += batch.inputs.shape[0] * batch.inputs.shape[1]
            return batch

        with self._log.training, self._energy:
            training.advance(self._rung.steps, batch_of, self._deadline)
        self._log.optimiser_steps += training.progress.step - before

    def _measure(self, learner: Learner, subject: Subject) -> Measured | None:
        protocol = self._run.protocol
        measured = measuring.measure(learner, subject, protocol.recipe.batch_size, protocol.eval_loops)
        self._deadline.check()
        return measured

    def _record(self, training: Training, key: str, rate: float, replica: int, measured: Measured | None) -> None:
        training.progress.diverged = measured is None
        self._log.ledger.append(
            LedgerEntry(
                task=key,
                learning_rate=rate,
                replica=replica,
                validation=measured.validation if measured else None,
                test=measured.test if measured else None,
                diverged=measured is None,
                curve=tuple(training.progress.curve),
                exploded=training.exploded,
            )
        )

    def _save(self, training: Training, key: str, rate: float, replica: int, writer: Writer) -> None:
        progress = training.progress
        saved = SavedTraining(
            task=key,
            learning_rate=rate,
            replica=replica,
            step=progress.step,
            diverged=progress.diverged,
            curve=tuple(progress.curve),
        )
        self._log.saved.append(saved)
        if not progress.diverged:
            writer.tensors(saved.weights_path, training.learner.state_dict())
            writer.tensors(saved.optimiser_path, training.optimiser_tensors())

    def _export(self, subject: Subject, learner: Learner, writer: Writer) -> None:
        """The model's weights and some of its predictions; beside them what the task's learner has of its own."""
        n_outputs = self._run.architecture.input.n_outputs
        self._log.artifacts += [
            writer.tensors(f"weights/{subject.key}.safetensors", learner.model.state_dict()),
            writer.tensors(f"parity/{subject.key}.safetensors", inference.parity(learner.model, subject.test, n_outputs)),
        ]
        own = learner.own_state()
        if own:
            self._log.artifacts.append(writer.tensors(f"learners/{subject.key}.safetensors", own))

    def _time(self, subject: Subject, model: Model) -> None:
        """How fast the first task's model answers, where the protocol asks; other tasks' models are as fast."""
        protocol = self._run.protocol
        if protocol.latency is None or subject.key != protocol.task_keys()[0]:
            return
        try:
            self._log.speed = latency.measure(model, protocol.latency, self._deadline.check)
        except ValueError as problem:
            self._log.notes.append(f"not timed on a prompt of {protocol.latency.prompt_length}: {problem}")

    def _summary(self, chosen: Sequence[tuple[Subject, Chosen]]) -> Result:
        score = scoring.score([one for _, one in chosen])
        return Result(
            score=score.value,
            score_low=score.low,
            score_high=score.high,
            interval=score.interval,
            validation_score=score.validation,
            tasks=tuple(self._task_result(subject, one) for subject, one in chosen),
            ledger=tuple(self._log.ledger),
            measurement=self._measurement(),
            folder=self._run.folder,
            artifacts=tuple(self._log.artifacts),
            notes=tuple(self._log.notes),
        )

    def _task_result(self, subject: Subject, chosen: Chosen) -> TaskResult:
        return TaskResult(
            task=subject.key,
            metric=subject.task.metric,
            learning_rate=self._run.protocol.learning_rates[chosen.index],
            edge_of_grid=chosen.edge_of_grid,
            values=chosen.values,
            standard_error=chosen.standard_error,
            score=chosen.score,
            data_digest=subject.generator.digest,
            metrics=chosen.metrics,
            validation=chosen.validation_metrics,
            sensitivity=self._log.sensitivity[subject.key],
        )

    def _measurement(self) -> Measurement:
        log, joules = self._log, self._energy.joules
        return Measurement(
            n_params=self._n_params,
            optimiser_steps=log.optimiser_steps,
            tokens=log.tokens,
            wall_seconds=time.monotonic() - self._started,
            train_tokens_per_second=log.tokens / max(log.training.seconds, 1e-9),
            train_seconds=log.training.seconds,
            data_seconds=log.data.seconds,
            joules_per_token=joules / log.tokens if joules is not None and log.tokens else None,
            prefill_seconds=log.speed.prefill_seconds if log.speed else None,
            decode_seconds_per_token=log.speed.decode_seconds_per_token if log.speed else None,
            peak_memory_bytes=machine.peak_memory_bytes(self._device),
            device=machine.device_name(self._device),
            host=platform.node(),
            versions=machine.versions(),
        )

    def _open_lower(self, workspace: Path) -> Reader | None:
        if self._run.resume is None:
            return None
        try:
            return Reader(_below(workspace, self._run.resume))
        except Damaged as problem:
            self._log.notes.append(f"trained again from the start, the checkpoint cannot be trusted: {problem}")
            return None


def _checked_rung(run: Run) -> Rung:
    rungs = run.protocol.rungs
    if not run.rates and run.rung >= len(rungs):
        raise Invalid(f"rung {run.rung} is not in the protocol, whose last is {len(rungs) - 1}")
    if not run.rates:
        return rungs[run.rung]
    unknown = set(run.rates.values()) - set(run.protocol.learning_rates)
    if unknown or run.rates.keys() != set(run.protocol.task_keys()):
        raise Invalid("rates must name one learning rate of the grid for every task of the protocol, as the last rung chose it")
    return Rung(steps=rungs[-1].steps)


def _first_stream(run: Run) -> int:
    """Which of its tasks' streams of training data the first replica sees: a run that confirms has one that nobody saw before.

    It is the same for all trials, so that they can be compared seed by seed.
    """
    rungs = run.protocol.rungs
    return rungs[-1].replicas + run.rung - len(rungs) if run.rates else 0


def _checked_params(architecture: Architecture, protocol: Protocol) -> int:
    """The parameter count, by formula and by model. Raises `Invalid` when they differ, or it cannot be built or judged."""
    problem = cannot_read(architecture.input, protocol.tokens, protocol.channels)
    if problem is not None:
        raise Invalid(f"architecture.input: {problem}")
    problem = reads_ahead(architecture.encoder_mixers, protocol.tasks)
    if problem is not None:
        raise Invalid(f"architecture: {problem}")
    unknown = untransferable(architecture) if protocol.recipe.width_transfer else None
    if unknown is not None:
        raise Invalid(f"architecture.{unknown.field}: {unknown.reason}")
    try:
        check_size(architecture)
    except ValueError as error:
        raise Invalid(str(error)) from error
    priced = price(architecture, CostContext(context_length=1)).params
    with torch.device("meta"):
        built = sum(parameter.numel() for parameter in Model(architecture).parameters())
    if built != priced:
        raise Invalid(f"the model has {built:,} parameters, its cost formula says {priced:,}; one of the two is wrong")
    return built


def _plan(run: Run, rate: float) -> Plan:
    protocol = run.protocol
    total = protocol.rungs[-1].steps
    regular = range(0, total + 1, max(1, total // CURVE_POINTS))
    points = frozenset(regular[1:]) | {rung.steps for rung in protocol.rungs}
    # with more outputs than the task has tokens guessing is better than this: the rule that reads it is the more patient
    chance = math.log(run.architecture.input.n_outputs) if protocol.tokens else 0.0
    return Plan(learning_rate=rate, total_steps=total, curve_steps=points, recipe=protocol.recipe, chance=chance)


def _within(run: Run) -> str:
    return " and short of an explosion" if run.protocol.recipe.explosion else ""


def _below(workspace: Path, folder: str) -> Path:
    root = workspace.resolve()
    path = (root / folder).resolve()
    if not path.is_relative_to(root) or path == root:
        raise Invalid(f"the folder {folder!r} leads outside the workspace")
    return path


def main(arguments: Sequence[str]) -> int:
    """Evaluate the run in a JSON file. Returns 0 with a result, 1 with a classified failure, 2 for a document that is none."""
    parser = argparse.ArgumentParser(prog="python -m workers.evaluate", description="Evaluate one run alone.")
    parser.add_argument("run", type=Path, help="the run's document, such as run.json of a bundle")
    parser.add_argument("--workspace", type=Path, default=Path("evaluated"), help="where its folder goes (default: evaluated)")
    parser.add_argument("--data-root", type=Path, help="where the user's corpora are")
    parser.add_argument("--out", type=Path, help="write what came of it here too")
    options = parser.parse_args(arguments)
    try:
        run = Run.from_json(options.run.read_bytes())
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{options.run} is not a run that can be read: {error}\n")
        return 2
    # as a worker does: more threads add up in another order, and fight over a machine that is busy
    torch.set_num_threads(1)
    finished = evaluate(run, options.workspace, options.data_root)
    text = finished.model_dump_json(indent=2) + "\n"
    sys.stdout.write(text)
    if options.out is not None:
        options.out.write_text(text)
    return 0 if finished.result is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
