"""A study's report, put together from what the study measured."""

import sys
from collections import defaultdict

from sqlalchemy import Engine

from nas.export.versions import versions
from nas.keys import Principal
from nas.report.calibration import calibration
from nas.report.checklist import Known, checklist
from nas.report.document import Calibration, Identity, Noise, Replay, Report, TaskLedger, Winner
from nas.report.evidence import Evidence, read_evidence
from nas.report.genes import attribution
from nas.report.leaders import leaders, noise, standings, winner
from nas.report.payoff import payoff, read_baselines
from nas.report.payoff_document import Payoff
from nas.report.spending import ledgers, progress, rate_curves, spent
from nas.report.standings import Placed
from nas.store.measurements import read_architectures
from nas.study import FINAL_STUDY_STATES
from search_spaces.architecture import Architecture

MANY_AT_EDGE = 0.25
"""From this share on, best learning rates at an edge of the grid say that the grid is in the wrong place."""


def study_report(engine: Engine, principal: Principal, study_id: str) -> Report:
    """The report of a study as it stands. Raises `NotFound`."""
    found = read_evidence(engine, principal, study_id)
    placed = leaders(found)
    digests = frozenset(one.leader.row.architecture_digest for one in placed)
    paid = payoff(found, read_baselines(engine, principal, found))
    return report(found, placed, read_architectures(engine, digests), paid)


def report(evidence: Evidence, placed: tuple[Placed, ...], architectures: dict[str, Architecture], paid: Payoff) -> Report:
    """The same from what was read; `placed` are the leaders, with their architectures by digest."""
    board, floors, cost = standings(placed, architectures), noise(evidence), spent(evidence)
    best, ledger, agreement = winner(evidence, placed, floors), ledgers(evidence), calibration(evidence)
    genes, grown, again = attribution(evidence), progress(evidence), _replay(evidence)
    by_number = {trial.row.number: trial for trial in evidence.trials}
    known = Known(
        spec=evidence.spec,
        spent=cost,
        leaderboard=board,
        winner=best,
        ledger=ledger,
        attribution=genes,
        payoff=paid,
        n_progress=len(grown),
        replay=again,
    )
    return Report(
        study=_identity(evidence),
        spec=evidence.spec,
        warnings=(*_warnings(evidence, best, floors, ledger, agreement), *_beaten(paid), *_head_start(evidence)),
        spent=cost,
        progress=grown,
        noise=floors,
        leaderboard=board,
        n_scored=sum(trial.row.score is not None for trial in evidence.trials),
        winner=best,
        ledger=ledger,
        rate_curves=rate_curves(by_number[one.leader.row.number] for one in placed),
        calibration=agreement,
        attribution=genes,
        payoff=paid,
        checklist=checklist(known),
        replay=again,
    )


def _identity(evidence: Evidence) -> Identity:
    study = evidence.study
    return Identity(
        id=study.id,
        name=study.name,
        state=study.state,
        reason=study.reason,
        spec_digest=study.digest,
        last_event=study.last_event,
        created_at=study.created_at,
        started_at=study.started_at,
        ended_at=study.ended_at,
        measured=study.measured,
        budget=study.budget,
        counts={state.value: n for state, n in study.counts.items()},
        space_size=evidence.spec.space.size(),
        final=study.state in FINAL_STUDY_STATES,
    )


def _replay(evidence: Evidence) -> Replay:
    packages: dict[str, set[str]] = defaultdict(set)
    for result in evidence.results():
        for name, version in result.versions.items():
            packages[name].add(version)
    return Replay(
        command="nas submit study.json",
        version=versions()["nas"],
        reported_by=f"nas {versions()['nas']}, Python {sys.version.partition(' ')[0]}",
        run_by=tuple(sorted(packages.get("nas", ()))),
        packages={name: ", ".join(sorted(found)) for name, found in sorted(packages.items())},
        seed=evidence.spec.seed,
    )


def _warnings(
    evidence: Evidence, best: Winner | None, floors: tuple[Noise, ...], ledger: tuple[TaskLedger, ...], found: Calibration
) -> tuple[str, ...]:
    """What a reader must not miss, in order of weight."""
    study, warnings = evidence.study, list[str]()
    if study.state not in FINAL_STUDY_STATES:
        warnings.append(f"The study is {study.state}: this is how it stands at event {study.last_event}, and it may change.")
    if best is None:
        return (*warnings, "No trial of the search has a score, so that there is no winner.")
    if best.curse is None:
        warnings.append(_unconfirmed(evidence))
    elif not best.curse.confirmed:
        warnings.append(f"Fresh seeds do not confirm the score of trial {best.curse.number}, which the search would pick.")
    if not floors:
        warnings.append(
            "No trial has two seeds, so that the noise of seeds is not known: give a rung replicas, or set confirmation."
        )
    if not evidence.spec.references:
        warnings.append("The study has no references, so that nothing published stands beside its winner: set references.")
    warnings += found.warnings
    warnings += [_edge(each) for each in ledger if each.trials and each.at_edge >= MANY_AT_EDGE * each.trials]
    return tuple(warnings)


def _beaten(paid: Payoff) -> tuple[str, ...]:
    return tuple(one.headline for one in paid.comparisons if one.verdict == "worse")


def _head_start(evidence: Evidence) -> tuple[str, ...]:
    n_starts = len(evidence.spec.warm_start.params)
    if not (n_starts and evidence.spec.baselines):
        return ()
    return (
        f"The study began with {n_starts} members found elsewhere, and its baselines did not: what those cost is not counted.",
    )


def _unconfirmed(evidence: Evidence) -> str:
    if evidence.spec.confirmation is None:
        return "The winner was not measured again on fresh seeds: set confirmation."
    return "The trial that the search would pick has not been measured again on fresh seeds yet."


def _edge(ledger: TaskLedger) -> str:
    return (
        f"On {ledger.task} the best learning rate is at an edge of the grid for {ledger.at_edge} of {ledger.trials} trials: "
        "widen learning_rates."
    )
