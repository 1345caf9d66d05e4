import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.protocol import Rung
from nas.seeds import derive
from nas.study import StudySpec
from nas.tasks import BytesLM
from search_spaces.architecture import TokenInput
from search_spaces.presets import recall_demo
from tests.corpora import story
from tests.workers.runs import HYBRID, RECALL, make_run, protocol
from workers.evaluate import evaluate
from workers.verify import main, verify

TEXT = BytesLM(corpus="book.txt", sequence_length=16, n_validation=16, n_test=16)


def write_manifest(bundle):
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    listed = {path.relative_to(bundle).as_posix(): {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in files}
    (bundle / "manifest.json").write_text(json.dumps({"format": "nas-bundle/1", "files": listed}))


def provenance_of(spec, run, result):
    return {
        "study": {"spec_digest": spec.digest, "seed": spec.seed},
        "trial": {"number": run.number},
        "digests": {
            "architecture": run.architecture.digest,
            "space": spec.space.digest,
            "protocol": run.protocol.digest,
        },
        "seeds": {"run": run.seed, "data": run.data_seed},
        "versions": result.measurement.versions,
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A bundle of two tasks as the exporter lays it out, and the data root of its corpus."""
    root = tmp_path_factory.mktemp("verify")
    (root / "data").mkdir()
    (root / "data" / "book.txt").write_text(story(100))
    architecture = HYBRID.model_copy(update={"input": TokenInput(vocab_size=256)})
    rules = protocol(tasks=(RECALL, TEXT), rungs=(Rung(steps=4, replicas=2),))
    spec = StudySpec(name="verified", space=recall_demo(), protocol=rules, seed=7)
    run = make_run(architecture=architecture, protocol=rules, seed=derive(7, 3), data_seed=derive(7, "data"))
    result = evaluate(run, root / "workspace", root / "data").result
    assert result is not None
    bundle = root / "bundle"
    for artifact in result.artifacts:
        (bundle / artifact.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "workspace" / result.folder / artifact.path, bundle / artifact.path)
    for name, document in {"architecture": architecture, "result": result, "run": run, "study": spec}.items():
        (bundle / f"{name}.json").write_text(document.to_json())
    (bundle / "provenance.json").write_text(json.dumps(provenance_of(spec, run, result)))
    trainings = [entry.model_dump(mode="json") for entry in result.ledger]
    runs = [{"rung": run.rung, "state": "succeeded", "trainings": trainings}, {"rung": 1, "state": "failed", "trainings": []}]
    (bundle / "ledger.json").write_text(json.dumps({"runs": runs}))
    write_manifest(bundle)
    return bundle


@pytest.fixture
def bundle(original, tmp_path):
    return shutil.copytree(original, tmp_path / "bundle")


@pytest.fixture
def data_root(original):
    return original.parent / "data"


def statuses(bundle, data_root):
    return {check.name: check.status for check in verify(bundle, data_root)}


def test_verify_confirms_a_true_bundle(bundle, data_root):
    checks = list(verify(bundle, data_root))
    assert [check.name for check in checks] == [
        "files",
        "model",
        "provenance",
        "artifacts",
        "score",
        "mqar logits",
        "mqar accuracy",
        "mqar replicas",
        "bytes_lm logits",
        "bytes_lm bits_per_byte",
        "bytes_lm replicas",
    ]
    assert {check.name for check in checks if check.status != "ok"} == {"mqar replicas", "bytes_lm replicas"}
    assert sum("exactly as recorded" in check.detail for check in checks) == 2


@pytest.mark.parametrize("name", ["weights/mqar.safetensors", "architecture.json", "result.json", "run.json"])
def test_verify_names_a_changed_file_and_looks_no_further(bundle, data_root, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    (check,) = verify(bundle, data_root)
    assert (check.name, check.status) == ("files", "failed")
    assert name in check.detail


def change(bundle, name, edit):
    """Change a document or tensors and make the manifest agree, as a forger would."""
    path = bundle / name
    if path.suffix == ".json":
        path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    else:
        save_file(edit(load_file(path)), path)
    write_manifest(bundle)


def test_other_weights_give_other_logits(bundle, data_root):
    change(bundle, "weights/mqar.safetensors", lambda tensors: tensors | {"norm.weight": tensors["norm.weight"] * 1.01})
    assert statuses(bundle, data_root)["mqar logits"] == "failed"


def test_weights_that_were_not_recorded_fail_however_near_they_are(bundle, data_root):
    change(
        bundle,
        "weights/mqar.safetensors",
        lambda tensors: tensors | {"norm.weight": tensors["norm.weight"].nextafter(torch.tensor(9.0))},
    )
    assert statuses(bundle, data_root)["artifacts"] == "failed"


def test_artifact_that_lies_elsewhere_is_not_opened(bundle, data_root):
    def edit(result):
        result["artifacts"][0]["path"] = "../secret"
        return result

    change(bundle, "result.json", edit)
    check = next(check for check in verify(bundle, data_root) if check.name == "artifacts")
    assert (check.status, "../secret" in check.detail) == ("failed", True)


def test_weights_of_another_model_fail(bundle, data_root):
    change(bundle, "weights/mqar.safetensors", lambda _: {"other": torch.ones(3)})
    assert statuses(bundle, data_root)["mqar"] == "failed"


@pytest.mark.parametrize(("task", "name"), [(0, "mqar accuracy"), (1, "bytes_lm bits_per_byte")])
def test_value_that_the_model_does_not_have_fails(bundle, data_root, task, name):
    def edit(result):
        result["tasks"][task]["values"][0] += 0.001
        return result

    change(bundle, "result.json", edit)
    assert statuses(bundle, data_root)[name] == "failed"


@pytest.mark.parametrize(
    ("elsewhere", "apart", "status"),
    [
        ({}, 0.001, "failed"),
        ({"device": "NVIDIA"}, 0.001, "ok"),
        ({"versions": {"torch": "1"}}, 0.001, "ok"),
        ({"device": "NVIDIA"}, 0.2, "failed"),
    ],
)
def test_value_of_another_machine_may_differ_within_the_sample_error(bundle, data_root, elsewhere, apart, status):
    def edit(result):
        result["measurement"] |= elsewhere
        result["tasks"][0]["values"][0] += apart
        return result

    change(bundle, "result.json", edit)
    check = next(check for check in verify(bundle, data_root) if check.name == "mqar accuracy")
    assert check.status == status
    assert ("standard errors of the test sample" in check.detail) == bool(elsewhere)


@pytest.mark.parametrize("forge", [{"score": 1.0, "score_high": 1.0}, {"score_low": 1.0}, {"tasks": []}])
def test_score_that_the_values_do_not_give_fails(bundle, data_root, forge):
    change(bundle, "result.json", lambda result: result | forge)
    assert statuses(bundle, data_root)["score"] == "failed"


@pytest.mark.parametrize(
    ("name", "forge", "wrong"),
    [
        ("provenance.json", {"digests": {"architecture": "0", "space": "0", "protocol": "0"}}, "space digest"),
        ("provenance.json", {"seeds": {"run": 1, "data": 2}}, "run seed"),
        ("provenance.json", {"versions": {"torch": "1"}}, "list of versions"),
        ("provenance.json", {"study": "none"}, "study is no object"),
        ("provenance.json", {"trial": {"number": 4}}, "trial number"),
        ("ledger.json", {"runs": []}, "list of trainings"),
        ("ledger.json", {"runs": 5}, "cannot be read"),
        ("study.json", {"seed": 8}, "study digest"),
        ("study.json", {"seed": "x"}, "cannot be read"),
    ],
)
def test_provenance_that_its_documents_do_not_have_fails(bundle, data_root, name, forge, wrong):
    change(bundle, name, lambda document: document | forge)
    check = next(check for check in verify(bundle, data_root) if check.name == "provenance")
    assert check.status == "failed"
    assert wrong in check.detail


def test_bundle_of_an_earlier_version_has_no_provenance_to_check(bundle, data_root):
    (bundle / "study.json").unlink()
    write_manifest(bundle)
    assert statuses(bundle, data_root)["provenance"] == "not checked"


def test_missing_task_fails(bundle, data_root):
    change(bundle, "result.json", lambda result: result | {"tasks": result["tasks"][:1]})
    assert statuses(bundle, data_root)["bytes_lm"] == "failed"


def test_other_architecture_fails(bundle, data_root):
    change(bundle, "architecture.json", lambda architecture: architecture | {"d_model": 32})
    assert statuses(bundle, data_root)["model"] == "failed"


@pytest.mark.parametrize("text", [None, story(100, "tomes")])
def test_value_without_its_corpus_is_not_checked(bundle, tmp_path, text):
    root = tmp_path / "data"
    root.mkdir()
    if text is not None:
        (root / "book.txt").write_text(text)
    found = statuses(bundle, root)
    assert found["bytes_lm bits_per_byte"] == "not checked"
    assert found["bytes_lm logits"] == found["mqar accuracy"] == "ok"


def test_command_prints_lines_and_ends_with_the_verdict(bundle, data_root, capsys):
    assert main([str(bundle), "--data-root", str(data_root)]) == 0
    assert capsys.readouterr().out.count("ok ") == 9
    assert main([str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"][-1]["status"] == "not checked"
    change(bundle, "weights/mqar.safetensors", lambda tensors: tensors | {"norm.weight": tensors["norm.weight"] * 2})
    assert main([str(bundle), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
