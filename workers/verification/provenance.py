"""A bundle's provenance against the documents that it is about: every digest and every seed computed anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import Invalid
from nas.run import Result, Run
from nas.seeds import derive, fresh_seed
from nas.study import StudySpec
from search_spaces.architecture import Architecture
from workers.verification.check import Check
from workers.verification.files import read_json

DOCUMENTS = ("provenance.json", "study.json", "ledger.json")


def provenance_check(bundle: Path, architecture: Architecture, run: Run, result: Result) -> Check:
    """Names the first thing that is not what its document says."""
    absent = [name for name in DOCUMENTS if not (bundle / name).is_file()]
    if absent:
        return Check("provenance", "not checked", f"no {' and no '.join(absent)}: an earlier version made this bundle")
    try:
        said = read_json(bundle / "provenance.json")
        spec = StudySpec.from_json((bundle / "study.json").read_bytes())
        ledger = read_json(bundle / "ledger.json")
        compared = (*_compared(said, spec, architecture, run, result), _trainings(ledger, run, result))
        wrong = next((name for name, recorded, found in compared if recorded != found), None)
    except (Invalid, OSError, ValueError, KeyError, TypeError) as error:
        return Check("provenance", "failed", f"it cannot be read: {error!s:.500}")
    if wrong is not None:
        return Check("provenance", "failed", f"provenance.json or ledger.json says another {wrong} than the documents have")
    digests = ", ".join(f"{name} {digest[:12]}" for name, digest in said["digests"].items())
    return Check("provenance", "ok", f"computed anew from the documents: study {spec.digest[:12]}, {digests}, and the seeds")


def _compared(
    said: dict[str, object], spec: StudySpec, architecture: Architecture, run: Run, result: Result
) -> Iterator[tuple[str, object, object]]:
    """What is recorded under a name, and what the documents give."""
    study, digests, seeds = _section(said, "study"), _section(said, "digests"), _section(said, "seeds")
    yield "study digest", study["spec_digest"], spec.digest
    yield "study seed", study["seed"], spec.seed
    yield "space digest", digests["space"], spec.space.digest
    yield "protocol digest", digests["protocol"], spec.protocol.digest
    yield "protocol digest", digests["protocol"], run.protocol.digest
    yield "architecture digest", digests["architecture"], architecture.digest
    yield "run seed", seeds["run"], run.seed
    confirms = run.rung > spec.protocol.last_rung
    yield "run seed", seeds["run"], fresh_seed(spec.seed, run.number, 0) if confirms else derive(spec.seed, run.number)
    yield "data seed", seeds["data"], run.data_seed
    yield "data seed", seeds["data"], derive(spec.seed, "data")
    yield "trial number", _section(said, "trial")["number"], run.number
    yield "list of versions", said["versions"], result.measurement.versions


def _trainings(ledger: dict[str, Any], run: Run, result: Result) -> tuple[str, object, object]:
    """What the ledger has of the run that gave the result, and what the result has."""
    recorded = [one["trainings"] for one in ledger["runs"] if one["rung"] == run.rung and one["state"] == "succeeded"]
    return "list of trainings", recorded, [[entry.model_dump(mode="json") for entry in result.ledger]]


def _section(said: dict[str, object], name: str) -> dict[str, object]:
    section = said[name]
    if not isinstance(section, dict):
        raise Invalid(f"{name} is no object")
    return section
