"""Exported folders: complete, described truthfully, the same each time, and loaded by following their own README."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import Conflict, Invalid
from nas.export.archive import verify_manifest
from nas.export.drawing import draw
from nas.export.folder import NotAvailable, Parcel, available, write
from nas.export.form import Subject
from nas.export.forms import FORMS
from nas.export.manifest import Drawn, ExportManifest, read_collection, read_manifest
from nas.export.scaled import scaled
from nas.export.size import Size
from nas.export.staging import new_folder
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO

NAMES = ("transformer", "s4")
"""One that has every form, and one that no class of transformers has, and no graph."""

ALONE = Path(__file__).parents[3] / "workers" / "strangers" / "alone.py"
"""Runs a program that finds nothing of ours."""

FOLLOW = """
import json, os, sys
for folder, code in json.load(sys.stdin):
    os.chdir(folder)
    sys.path.insert(0, folder)
    print(folder, flush=True)
    exec(code, {})
    sys.path.remove(folder)
    sys.modules.pop("model", None)
"""


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parcel]:
    made = {}
    for name in NAMES:
        architecture, folder = ZOO[name].build(32, 64), tmp_path_factory.mktemp(name)
        weights, parity = draw(architecture, 3, folder)
        subject = Subject(architecture=architecture, title=f"zoo:{name}", weights=weights, parity=parity)
        made[name] = Parcel(subject=subject, origin=Drawn(seed=3))
    return made


@pytest.fixture(scope="module")
def exports(parcels: dict[str, Parcel], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every form of each."""
    made = {name: tmp_path_factory.mktemp("exports") / name for name in parcels}
    for name, folder in made.items():
        with new_folder(folder) as staging:
            write(parcels[name], "all", staging)
    return made


def manifests(exports: dict[str, Path]) -> dict[Path, ExportManifest]:
    folders = (folder / form for folder in exports.values() for form in read_collection(folder).forms)
    return {folder: read_manifest(folder) for folder in folders}


def test_every_form_is_written_or_absent_for_a_reason(exports: dict[str, Path]) -> None:
    for folder in exports.values():
        found = read_collection(folder)
        assert {*found.forms, *(absence.form for absence in found.absent)} == {*FORMS, "bundle"}
        assert all(absence.reasons for absence in found.absent)
        assert {path.name for path in folder.iterdir()} == {"README.md", "exports.json", *found.forms}
        verify_manifest(folder)


def test_manifests_tell_the_truth(exports: dict[str, Path], parcels: dict[str, Parcel]) -> None:
    for folder, found in manifests(exports).items():
        verify_manifest(folder)
        architecture = Architecture.from_json((folder / "architecture.json").read_bytes())
        assert architecture == parcels[folder.parent.name].subject.architecture
        assert (found.architecture_digest, found.form) == (architecture.digest, folder.name)
        assert (found.origin == Drawn(seed=3)) == ("parity.safetensors" in found.files)
        assert "nas" in found.versions
        assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o644}


@pytest.fixture
def grown(parcels: dict[str, Parcel], tmp_path: Path) -> dict[str, Path]:
    """Every form of each at another size, which is without weights."""
    for name, parcel in parcels.items():
        with new_folder(tmp_path / name) as staging:
            write(scaled(parcel, Size(width=48)), "all", staging)
    return {name: tmp_path / name for name in parcels}


def test_readmes_work_for_those_who_have_nothing_of_ours(
    exports: dict[str, Path], grown: dict[str, Path], tmp_path: Path
) -> None:
    """Loading and checking, or building, word for word, in one fresh process."""
    (tmp_path / "follow.py").write_text(FOLLOW)
    lessons = []
    for folder, found in {**manifests(exports), **manifests(grown)}.items():
        if FORMS[found.form].has_weights:
            blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
            assert len(blocks) == (1 if found.origin is None else 2)
            assert ("`scaling.json`: how it grew" in (folder / "README.md").read_text()) == (found.origin is None)
            lessons.append((str(folder), "\n".join(blocks)))
    assert {Path(folder).name for folder, _ in lessons} == {name for name, form in FORMS.items() if form.has_weights}
    done = subprocess.run(
        [sys.executable, "-I", str(ALONE), str(tmp_path / "follow.py")],
        input=json.dumps(lessons),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    compared = sum(found.origin is not None for found in manifests(exports).values())
    assert 0 < done.stdout.count("largest difference: ") == compared < len(lessons)


def test_the_same_export_is_the_same_to_the_last_byte(
    exports: dict[str, Path], parcels: dict[str, Parcel], tmp_path: Path
) -> None:
    (tmp_path / "native").mkdir()
    write(parcels["transformer"], "native", tmp_path / "native")
    assert read_manifest(tmp_path / "native") == read_manifest(exports["transformer"] / "native")


def test_what_cannot_be_is_refused_with_every_reason(parcels: dict[str, Parcel], tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"zoo:s4 cannot be exported as native: .* reasons in all") as refused:
        write(parcels["s4"], "native", tmp_path)
    assert len(refused.value.reasons) > 10
    assert list(tmp_path.iterdir()) == []


def test_a_want_of_weights_is_a_reason_for_forms_that_have_them() -> None:
    failed = Parcel(subject=Subject(architecture=ZOO["transformer"].build(32, 64), title="it"), missing="trial 3 has failed")
    found = {one.form: one for one in available(failed)}
    assert [reason.reason for reason in found["native"].reasons] == ["trial 3 has failed"]
    assert found["config"].available
    assert not found["bundle"].available


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    with pytest.raises(LookupError, match="the rest"):
        half_written(place)
    assert list(place.parent.iterdir()) == []
    with new_folder(place) as staging:
        (staging / "export.json").write_text("all of it")
        (staging / "export.json").chmod(0o600)
    assert [path.name for path in place.parent.iterdir()] == ["place"]
    assert (place / "export.json").stat().st_mode & 0o777 == 0o644


def test_only_an_export_gives_way_to_an_export(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with new_folder(place) as staging:
        (staging / "export.json").write_text("old")
    with pytest.raises(Conflict, match="--force"), new_folder(place):
        pass
    with pytest.raises(RuntimeError), new_folder(place, replace=True):
        raise RuntimeError
    assert (place / "export.json").read_text() == "old"
    with new_folder(place, replace=True) as staging:
        (staging / "export.json").write_text("new")
    assert (place / "export.json").read_text() == "new"
    (place / "export.json").rename(place / "mine")
    with pytest.raises(Conflict, match="is not an export"), new_folder(place, replace=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def half_written(place: Path) -> None:
    with new_folder(place) as staging:
        (staging / "half").write_text("of it")
        raise LookupError("the rest")


def made_meanwhile(place: Path) -> None:
    with new_folder(place):
        place.mkdir()
        (place / "mine").write_text("keep")


def test_a_folder_that_was_made_meanwhile_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with pytest.raises(Invalid, match="cannot be written"):
        made_meanwhile(place)
    assert (place / "mine").read_text() == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
