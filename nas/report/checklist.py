"""The best practices of Lindauer and Hutter (arXiv 1909.02453, JMLR 21(243)), each answered from the study itself.

An answer is about this study alone, and as strict as a reviewer would be: what was not done is said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nas.quantities import duration, short_count
from nas.report.document import Answer, Attribution, Replay, Spent, Standing, TaskLedger, Winner
from nas.study import StudySpec

Verdict = tuple[bool | None, str]
"""Kept, not kept, or not applicable; and a sentence of evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the answers are made from."""

    spec: StudySpec
    spent: Spent
    leaderboard: tuple[Standing, ...]
    winner: Winner | None
    ledger: tuple[TaskLedger, ...]
    attribution: Attribution
    n_progress: int
    replay: Replay


def checklist(known: Known) -> tuple[Answer, ...]:
    """All fourteen, in the paper's order."""
    return tuple(_answer(item, practice, judge(known)) for item, (practice, judge) in enumerate(PRACTICES, 1))


def _answer(item: int, practice: str, verdict: Verdict) -> Answer:
    kept, sentence = verdict
    if kept is None:
        return Answer(item=item, practice=practice, answer="not applicable", evidence=sentence)
    return Answer(item=item, practice=practice, answer="yes" if kept else "no", evidence=sentence)


def _training_code(known: Known) -> Verdict:
    if not known.replay.run_by:
        return False, "No run has finished yet, so that no version of the training code can be named."
    versions = ", ".join(known.replay.run_by)
    return True, f"Every run was trained by nas {versions}, which is open source, and any trial can be trained again alone."


def _search_code(known: Known) -> Verdict:
    sampler = known.spec.sampler.name
    return (
        True,
        f"The sampler ({sampler}), the space and the halving are in nas {known.replay.version}; seed {known.replay.seed}.",
    )


def _early(known: Known) -> Verdict:
    return True, f"The code that ran is the code that is released, not one written for publication: {known.replay.reported_by}."


def _benchmark(known: Known) -> Verdict:
    references = f" and {len(known.spec.references)} published references" if known.spec.references else ""
    tasks = ", ".join(known.spec.protocol.task_keys())
    digest = known.spec.protocol.digest[:12]
    return True, (
        f"All trials{references} share tasks ({tasks}), data, splits, grid and recipe: protocol {digest}. "
        "A comparison with figures from elsewhere is not made here."
    )


def _ablations(known: Known) -> Verdict:
    found = known.attribution
    if not found.genes:
        return False, "No part of the winner was removed or replaced on purpose, and there are too few trials for main effects."
    return False, (
        f"No part of the winner was removed or replaced on purpose. Main effects of {len(found.genes)} genes over "
        f"{found.n_trials} trials are given, which are observations, not ablations."
    )


def _same_evaluation(known: Known) -> Verdict:
    rungs = " then ".join(f"{rung.steps:,} steps x {rung.replicas}" for rung in known.spec.protocol.rungs)
    return True, f"One protocol for everybody ({rungs}); only trials at the same rung are ranked against each other."


def _over_compute(known: Known) -> Verdict:
    if not known.n_progress:
        return False, "No trial of the search has reached the last rung, so that there is no curve of score against compute."
    steps = short_count(known.spent.optimiser_steps)
    return True, f"The best score is shown against optimiser steps, up to the {steps} that were spent."


def _random_search(known: Known) -> Verdict:
    sampler = known.spec.sampler
    if sampler.name == "random":
        return True, "The search is random search itself; everything else can be held against it at equal cost."
    return False, (
        f"No random search was run beside {sampler.name} in this study. "
        'Submit the same study with sampler "random" to compare at equal cost.'
    )


def _repeated(known: Known) -> Verdict:
    if not known.leaderboard:
        return False, "Nothing has a score yet."
    seeds = len(known.leaderboard[0].seeds)
    curse = known.winner.curse if known.winner else None
    fresh = f"its pick again with {len(curse.fresh_seeds)} fresh ones" if curse else "its pick was not measured on fresh seeds"
    return False, f"The search itself ran once (seed {known.replay.seed}). Leaders have {seeds} seed(s) each; {fresh}."


def _tabular(known: Known) -> Verdict:
    return (
        None,
        f"Every score is of a real training; no tabular or surrogate benchmark holds the space {known.spec.space.name}.",
    )


def _confounders(known: Known) -> Verdict:
    devices, versions = [one.device for one in known.spent.devices], known.replay.packages
    if not devices:
        return None, "No run has finished yet."
    mixed = sorted(name for name, version in versions.items() if ", " in version)
    hosts = sorted({host for one in known.spent.devices for host in one.hosts})
    if len(devices) > 1 or mixed:
        return (
            False,
            f"Runs differ in what they ran on: {', '.join(devices)}; versions differ for {', '.join(mixed) or 'nothing'}.",
        )
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    return True, f"All runs used {devices[0]} ({len(hosts)} host(s)) with {libraries}."


def _tuning(known: Known) -> Verdict:
    rates = ", ".join(f"{rate:g}" for rate in known.spec.protocol.learning_rates)
    edge = sum(ledger.at_edge for ledger in known.ledger)
    return True, (
        f"Every architecture had the same learning rates ({rates}), chosen on validation data and counted in the cost; {edge} "
        "best rates are at an edge of the grid. The sampler's own settings were not tuned and are in the study."
    )


def _end_to_end(known: Known) -> Verdict:
    if known.spent.elapsed_seconds is None or not known.spent.runs:
        return False, "The study has not started."
    on = ", ".join(f"{duration(one.wall_seconds)} of runs on {one.device}" for one in known.spent.devices) or "no finished run"
    failed = f"{sum(one.runs for one in known.spent.failed)} failed or lost runs ({duration(known.spent.failed_seconds)})"
    return (
        True,
        f"{duration(known.spent.elapsed_seconds)} by the clock for search and evaluation together: {on}; {failed} included.",
    )


def _details(known: Known) -> Verdict:
    return (
        True,
        f"The whole study is in this report as one document ({known.spec.digest[:12]}); `{known.replay.command}` repeats it.",
    )


PRACTICES: Final[tuple[tuple[str, Callable[[Known], Verdict]], ...]] = (
    ("Release code for the training pipelines you use", _training_code),
    ("Release code for your NAS method", _search_code),
    ("Do not wait until you have cleaned up the code", _early),
    ("Use the same NAS benchmarks, not just the same datasets", _benchmark),
    ("Run ablation studies", _ablations),
    ("Use the same evaluation protocol for the methods being compared", _same_evaluation),
    ("Evaluate performance as a function of compute resources", _over_compute),
    ("Compare against random sampling and random search", _random_search),
    ("Validate the results several times", _repeated),
    ("Use tabular or surrogate benchmarks if possible", _tabular),
    ("Control confounding factors", _confounders),
    ("Report the use of hyperparameter optimization", _tuning),
    ("Report the time for the entire end-to-end NAS method", _end_to_end),
    ("Report all the details of your experimental setup", _details),
)
