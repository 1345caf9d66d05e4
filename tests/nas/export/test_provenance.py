"""A bundle says what decided its numbers, in documents that can be used again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nas.export.bundle import Source, entries
from nas.export.provenance import ledger
from nas.export.versions import commit
from nas.run import CurvePoint, Failure, LedgerEntry, Run, RunState
from nas.seeds import derive
from nas.study import StudySpec
from tests.nas.export.conftest import NOW

HASH = "0123456789abcdef0123456789abcdef01234567"


def documents(source: Source) -> dict[str, bytes]:
    return {entry.path: entry.content for entry in entries(source) if isinstance(entry.content, bytes)}


def test_provenance_names_what_decided_the_numbers(source: Source) -> None:
    found = json.loads(documents(source)["provenance.json"])
    spec = source.study.spec
    assert found["digests"] == {
        "architecture": source.trial.architecture.digest,
        "space": spec.space.digest,
        "protocol": spec.protocol.digest,
    }
    assert found["study"] == {"id": "s", "name": spec.name, "spec_digest": spec.digest, "seed": 7}
    assert found["seeds"] == {"run": derive(7, 3), "data": derive(7, "data")}
    assert found["trial"] == {"number": 3, "rung": 1, "params": {"depth": 4}, "reference": None}
    assert found["versions"] == {"torch": "2.13.0"}
    assert found["hardware"] == {"device": "cpu", "host": "here"}
    assert {"nas", "numpy", "safetensors"} <= found["exported_by"]["versions"].keys()


def test_study_and_run_can_be_repeated_from_their_documents(source: Source) -> None:
    texts = documents(source)
    assert StudySpec.from_json(texts["study.json"]) == source.study.spec
    run = Run.from_json(texts["run.json"])
    assert (run.seed, run.architecture) == (derive(7, 3), source.trial.architecture)
    readme = texts["README.md"].decode()
    assert "nas submit study.json" in readme
    assert "python -m workers.evaluate run.json" in readme


def test_ledger_has_every_run_and_the_curves(source: Source) -> None:
    entry = LedgerEntry(
        task="mqar", learning_rate=1e-3, replica=0, validation=0.4, test=0.5, curve=(CurvePoint(step=8, loss=2.5),)
    )
    scored = source.trial.runs[0]
    assert scored.result is not None
    failed = replace(scored, attempt=1, state=RunState.FAILED, result=None, failure=Failure(kind="nan", message="no loss"))
    runs = (failed, replace(scored, result=scored.result.model_copy(update={"ledger": (entry,)})))
    first, second = json.loads(json.dumps(ledger(replace(source.trial, runs=runs))))["runs"]
    assert (first["failure"]["kind"], first["trainings"], first["score"]) == ("nan", [], None)
    assert second["trainings"] == [json.loads(entry.to_json())]
    assert second["trainings"][0]["curve"] == [{"step": 8, "loss": 2.5}]
    assert (second["rung"], second["attempt"], second["started_at"]) == (1, 2, NOW.isoformat())


@pytest.mark.parametrize(
    ("head", "files", "found"),
    [
        (HASH, {}, HASH),
        ("ref: refs/heads/main", {"refs/heads/main": HASH}, HASH),
        ("ref: refs/heads/main", {"packed-refs": f"# pack-refs\n{HASH} refs/heads/main\n"}, HASH),
        ("ref: refs/heads/main", {"packed-refs": f"{HASH} refs/heads/other\n"}, None),
        ("ref: refs/heads/main", {}, None),
        (None, {}, None),
    ],
)
def test_commit_is_known_in_a_checkout(head: str | None, files: dict[str, str], found: str | None, tmp_path: Path) -> None:
    for name, text in {**files, **({"HEAD": head} if head else {})}.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    assert commit(tmp_path) == found
