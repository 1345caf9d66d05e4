"""The part of a report about who leads: the noise floor, the leaderboard with its ties, the winner and its curse."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from nas.report.document import Curse, Noise, Standing, Winner
from nas.report.estimate import Estimate
from nas.report.evidence import Evidence, TrialEvidence
from nas.report.standings import MAX_LEADERS, Leader, Placed, leader, place
from nas.statistics.noise import NoiseFloor, noise_floor
from nas.statistics.winner import expected_drop, winners_curse
from search_spaces.architecture import Architecture
from search_spaces.summary import shares

Groups = Sequence[Sequence[float]]


def leaders(evidence: Evidence) -> tuple[Placed, ...]:
    """The best at the highest rung, in the leaderboard's order."""
    highest, last = evidence.highest, evidence.spec.protocol.last_rung
    if highest is None:
        return ()
    found = [trial for trial in evidence.trials if trial.row.rung == highest and trial.feasible]
    ordered = sorted(found, key=lambda trial: (-(trial.row.score or 0.0), trial.row.number))
    return place([_leader(trial, highest, last) for trial in ordered[:MAX_LEADERS]])


def _leader(trial: TrialEvidence, rung: int, last: int) -> Leader:
    runs = trial.fresh if rung > last else tuple(run for at, run in trial.rungs.items() if at == rung)
    seeds = [score for run in runs for score in run.by_seed]
    return leader(trial.row, seeds, [run.sample_error for run in runs], confirmed=rung > last)


def standings(placed: Sequence[Placed], architectures: Mapping[str, Architecture]) -> tuple[Standing, ...]:
    """The rows of the report's leaderboard."""
    return tuple(_standing(rank, one, architectures[one.leader.row.architecture_digest]) for rank, one in enumerate(placed, 1))


def _standing(rank: int, placed: Placed, architecture: Architecture) -> Standing:
    row, interval, attention = placed.leader.row, placed.interval, shares(architecture)
    assert row.rung is not None
    return Standing(
        rank=rank,
        number=row.number,
        reference=row.reference,
        summary=row.summary,
        architecture=row.architecture_digest,
        rung=row.rung,
        score=interval.value,
        low=interval.low,
        high=interval.high,
        covers=interval.covers,
        seeds=placed.leader.seeds,
        group=placed.place.group,
        p_value=placed.place.p_value,
        judged_by=placed.place.noise,
        params=row.cost.params,
        flops_per_token=row.cost.flops_per_token,
        state_bytes=row.cost.state_bytes,
        attention_of_parts=attention.of_parts,
        attention_of_mixers=attention.of_mixers,
    )


def noise(evidence: Evidence) -> tuple[Noise, ...]:
    """Of the whole score and of each task, measured with references where they have two seeds.

    At the last rung that has two replicas; where none has, over the fresh seeds of those that were confirmed.
    """
    repeated = _repeated(evidence)
    references = tuple(each for each in repeated if each.is_reference)
    chosen: Literal["references", "all trials"] = "references" if references else "all trials"
    asked = references or repeated
    if not asked:
        return ()
    n_seeds = min(len(each.scores) for each in asked)
    keys = evidence.spec.protocol.task_keys()
    per_task = [(key, [each.by_task[key] for each in asked]) for key in keys if len(keys) > 1]
    groups: list[tuple[str | None, Groups]] = [(None, [each.scores for each in asked]), *per_task]
    floors = ((task, noise_floor(scores)) for task, scores in groups)
    return tuple(_noise(task, floor, chosen, n_seeds) for task, floor in floors if floor is not None)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A trial that has two seeds or more: the score of each, and those of each task."""

    is_reference: bool
    scores: Sequence[float]
    by_task: Mapping[str, Sequence[float]]


def _repeated(evidence: Evidence) -> tuple[_Repeated, ...]:
    rungs, keys = evidence.spec.protocol.rungs, evidence.spec.protocol.task_keys()
    rung = max((at for at, each in enumerate(rungs) if each.replicas > 1 and evidence.at(at)), default=None)
    if rung is None:
        runs = [(trial, trial.fresh) for trial in evidence.trials]
    else:
        runs = [(trial, (trial.rungs[rung],)) for trial in evidence.at(rung)]
    found = (
        _Repeated(
            is_reference=trial.row.reference is not None,
            scores=[score for run in own for score in run.by_seed],
            by_task={key: [score for run in own for score in run.tasks[key].scores] for key in keys},
        )
        for trial, own in runs
    )
    return tuple(each for each in found if len(each.scores) > 1)


def _noise(task: str | None, floor: NoiseFloor, chosen: Literal["references", "all trials"], n_seeds: int) -> Noise:
    return Noise(
        task=task,
        standard_deviation=floor.standard_deviation,
        low=floor.low,
        high=finite(floor.high),
        degrees_of_freedom=floor.degrees_of_freedom,
        n_architectures=floor.n_groups,
        measured_with=chosen,
        n_seeds=n_seeds,
        detectable_difference=finite(floor.detectable_difference(n_seeds)),
    )


def finite(value: float) -> float | None:
    """What JSON can hold."""
    return value if math.isfinite(value) else None


def winner(evidence: Evidence, placed: Sequence[Placed], floors: Iterable[Noise]) -> Winner | None:
    """The first of the search's own; None without a score."""
    first = next((one for one in placed if one.leader.row.reference is None), None)
    if first is None:
        return None
    picked = _picked(evidence)
    floor = next((noise.standard_deviation for noise in floors if noise.task is None), None)
    return Winner(
        number=first.leader.row.number,
        summary=first.leader.row.summary,
        score=first.interval.value,
        low=first.interval.low,
        high=first.interval.high,
        covers=first.interval.covers,
        n_seeds=len(first.leader.seeds),
        tied=sum(other.place.group == first.place.group for other in placed) - 1,
        picked=picked.row.number if picked else None,
        curse=_curse(evidence, picked, floor) if picked else None,
    )


def _own(evidence: Evidence) -> tuple[TrialEvidence, ...]:
    """The search's own trials at the last rung that keep the study's constraints."""
    found = evidence.at(evidence.spec.protocol.last_rung)
    return tuple(trial for trial in found if trial.row.reference is None and trial.feasible)


def _picked(evidence: Evidence) -> TrialEvidence | None:
    last = evidence.spec.protocol.last_rung
    return max(_own(evidence), key=lambda trial: (trial.rungs[last].validation, -trial.row.number), default=None)


def _curse(evidence: Evidence, picked: TrialEvidence, floor: float | None) -> Curse | None:
    """None for a trial that was not measured again, or whose one fresh seed says nothing about its own accuracy."""
    run, fresh = picked.rungs[evidence.spec.protocol.last_rung], picked.fresh_scores
    error = fmean(one.sample_error for one in picked.fresh) if fresh else 0.0
    if not fresh or (len(fresh) == 1 and error == 0):
        return None
    scores = [trial.rungs[run.rung].score for trial in _own(evidence)]
    luck = None if floor is None else expected_drop(scores, floor / math.sqrt(len(run.by_seed)))
    found = winners_curse(run.score, fresh, sample_error=error, expected_drop=luck)
    cut = found.fresh.within(0.0, 1.0)
    return Curse(
        number=picked.row.number,
        search_score=run.score,
        validation_score=run.validation,
        fresh=Estimate(value=cut.value, low=cut.low, high=cut.high),
        fresh_seeds=fresh,
        drop=found.drop,
        expected_drop=luck,
        confirmed=found.confirmed,
    )
