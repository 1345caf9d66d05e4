"""What the README tells people to type works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from search_spaces.presets import PRESETS
from search_spaces.space import Space
from tests.service import Service, nas

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_ten_line_program_runs_and_prints_a_leaderboard(service: Service):
    (program,) = blocks("python")
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NAS_DATA_DIR": str(service.data_dir)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^1 0\.\d+ \d+ d\d+", ran.stdout, flags=re.MULTILINE), ran.stdout


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"make (\w+)", README))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:`|\.venv/bin/)nas (\w+)", README))))
def test_commands_exist(command: str):
    assert nas(command, "--help").returncode == 0


def test_the_space_has_as_many_assignments_as_it_says():
    (space,) = map(Space.from_json, blocks("json"))
    assert f"These are {space.size():,} assignments" in README


def test_the_search_of_the_table_runs():
    [command] = re.findall(r"^\.venv/bin/nas (simulate docs/tables/\S+ --table \S+)", README, flags=re.MULTILINE)
    ran = nas(*command.split())
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0].split()[:2] == ["sampler", "best"]


def test_presets_are_those_there_are():
    sentence = README.partition("Or name a preset")[2].partition(")")[0]
    assert set(re.findall(r"[a-z]+_[a-z_]+|everything", sentence)) == set(PRESETS)


def test_links_lead_somewhere():
    paths = set(re.findall(r"\]\((?!http)([^)#]+)\)", README))
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]
