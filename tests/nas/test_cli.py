"""The command line by itself: what it loads, what it says, how it ends, without a server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.cli import COMMANDS, build
from nas.cli.failures import EXIT_CODES, exit_code_of
from nas.cli.lazy import LazyCommand
from nas.cli.output import plain
from nas.cli.typed import program, typed
from nas.errors import Conflict, Denied, Invalid, NasError, NotFound, StoreUnavailable
from nas.problem import Problem, Unreachable, failure_of
from tests.service import nas

HEAVY = ("torch", "ray", "sqlalchemy", "pydantic", "httpx", "optuna", "numpy", "fastapi", "psycopg")


def modules_after(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running the code."""
    program = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # what the code prints comes before, and may have the name of a package for a word
    return set(ran.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    code = "from nas.cli import build\ntry:\n    build()(['--help'])\nexcept SystemExit:\n    pass"
    loaded = modules_after(code)
    assert not loaded & set(HEAVY)
    assert "nas" in loaded


def test_no_command_loads_torch() -> None:
    modules = {command.target.partition(":")[0] for command in COMMANDS}
    assert not modules_after(f"import {', '.join(sorted(modules))}") & {"torch", "ray", "fastapi"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_command_says_in_full_what_the_overview_says_in_short(command: Any) -> None:
    real = command.load()
    assert real.help.splitlines()[0] == command.help
    assert all(parameter.help for parameter in real.params if parameter.param_type_name == "option")


def test_every_command_speaks_json() -> None:
    commands = build().commands.values()
    loaded = [command.load() if isinstance(command, LazyCommand) else command for command in commands]
    leaves = [leaf for command in loaded for leaf in getattr(command, "commands", {"": command}).values()]
    assert len(leaves) == len(COMMANDS) + 3
    assert [leaf.name for leaf in leaves if "--json" not in {name for each in leaf.params for name in each.opts}] == []


def test_advice_is_spelled_as_the_command_was(tmp_path: Path) -> None:
    installed, link = tmp_path / "bin" / "nas", tmp_path / "nas"
    installed.parent.mkdir()
    installed.touch()
    link.symlink_to(installed)
    assert program(".venv/bin/nas", "python", None) == [".venv/bin/nas"]
    assert program(str(installed), "python", link) == ["nas"]
    assert program(str(installed), "python", tmp_path / "other" / "nas") == [str(installed)]
    assert program("/x/nas/cli/__main__.py", "python3", link) == ["python3", "-m", "nas.cli"]


def test_advice_names_the_same_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["./nas"])
    assert typed("top", "a b", url="http://h:1", data_dir=Path("x")) == "./nas top 'a b' --url http://h:1 --data-dir x"
    assert typed("up") == "./nas up"


def test_every_promised_command_is_there() -> None:
    promised = "up check submit list show watch top trial export verify pause resume stop key doctor demo zoo tasks report"
    assert set(promised.split()) <= {command.name for command in COMMANDS}


def test_exit_codes_are_in_the_help() -> None:
    text = " ".join(nas("--help", COLUMNS="1000").stdout.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text


def test_version_is_the_packages() -> None:
    found = nas("--version")
    assert (found.returncode, found.stdout) == (0, "0.1.0\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("x"), 2),
        (Conflict("x"), 2),
        (Denied("x"), 3),
        (NotFound("x"), 4),
        (StoreUnavailable("x"), 5),
        (Unreachable("x"), 5),
        (NasError("x"), 1),
        *((failure_of(Problem(status=status, title="x")), code) for status, code in [(401, 3), (403, 3), (404, 4)]),
        *((failure_of(Problem(status=status, title="x")), code) for status, code in [(409, 2), (422, 2), (500, 5), (429, 5)]),
    ],
)
def test_errors_have_their_documented_exit_codes(error: NasError, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize("arguments", [("nonsense",), ("top",), ("trial", "a", "x"), ("top", "a", "--sort", "beauty")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    found = nas(*arguments)
    assert (found.returncode, found.stdout) == (2, "")


def test_misspelt_command_gets_a_suggestion() -> None:
    assert "Did you mean 'submit'?" in nas("sumbit").stderr


def test_no_server_ends_with_5_and_says_how_to_start_one() -> None:
    found = nas("list", NAS_URL="http://127.0.0.1:9", NAS_API_KEY="nas_a_b")
    assert (found.returncode, found.stdout) == (5, "")
    assert "start one with: " in found.stderr
    assert found.stderr.endswith("-m nas.cli up\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{\n  "name": }', "2:11: not JSON"), ("[]", "holds no JSON object"), ("\x00", "not JSON"), ("", "1:1: not JSON")],
)
def test_unreadable_study_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "study.json").write_text(text)
    found = nas("submit", str(tmp_path / "study.json"))
    assert found.returncode == 2
    assert reason in found.stderr


def test_missing_study_file_is_refused() -> None:
    found = nas("check", "/nowhere.json")
    assert (found.returncode, found.stderr) == (2, "cannot read /nowhere.json: No such file or directory\n")


def test_verify_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    assert nas("verify", str(tmp_path)).returncode == 4


def test_up_refuses_to_be_reached_by_accident(tmp_path: Path) -> None:
    found = nas("up", "--data-dir", str(tmp_path), "--host", "0.0.0.0")
    assert found.returncode == 2
    assert "--allow-remote" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_what_is_wrong_and_names_the_cure(tmp_path: Path) -> None:
    found = nas("doctor", "--json", NAS_URL="http://127.0.0.1:9", NAS_DATA_DIR=str(tmp_path))
    findings = {finding["check"]: finding for finding in map(json.loads, found.stdout.splitlines())}
    assert found.returncode == 1
    assert findings["torch"]["well"]
    assert findings["ray"]["well"]
    assert not findings["server"]["well"]
    assert findings["server"]["cure"].endswith("-m nas.cli up")


def test_text_from_elsewhere_cannot_steer_the_terminal() -> None:
    assert plain("\x1b[31mred\x07\u202e\n") == "\ufffd[31mred\ufffd\ufffd\ufffd"
