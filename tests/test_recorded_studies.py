"""The recorded studies can be submitted again, and their reports are of exactly these studies."""

import json
from pathlib import Path

import pytest

from nas.report.document import Report
from nas.submission import read_spec

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "docs" / "studies").glob("*/study.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_report_is_of_the_study_beside_it(folder: Path):
    spec = read_spec(json.loads((folder / "study.json").read_text()), None, 10**9)
    report = Report.from_json((folder / "report.json").read_text())
    assert report.study.spec_digest == spec.digest
    assert report.study.final
    html = (folder / "report.html").read_text()
    assert spec.name in html
    assert "<script" not in html
