"""compose.yaml is valid, says only commands that exist, keeps its secrets out of the file and its ports to itself."""

import ast
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nas.cli import COMMANDS

COMPOSE = Path(__file__).parents[1] / "compose.yaml"
TEXT = COMPOSE.read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = DOCUMENT["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def programs() -> Iterator[tuple[str, list[str]]]:
    """Every program that our own image is told to run, commands and health checks alike."""
    for name, service in OURS.items():
        for command in (service["command"], service.get("healthcheck", {}).get("test", ["CMD", "true"])[1:]):
            if command[:2] == ["sh", "-c"]:
                for step in command[2].split(" && "):
                    yield name, shlex.split(step.removeprefix("exec "))
            else:
                yield name, command


def test_compose_is_valid_by_the_specification() -> None:
    schema = json.loads((resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(DOCUMENT)


def test_compose_specification_refuses_what_is_wrong() -> None:
    schema = json.loads((resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json").read_text())
    broken = {**DOCUMENT, "services": {"api": {"imagee": "postgres"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_every_part_of_the_service_is_there() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "api", "ray-head", "driver", "gpu-worker"}
    assert SERVICES["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize(("service", "command"), list(programs()))
def test_command_exists(service: str, command: list[str]) -> None:
    match command:
        case ["python", "-m", "uvicorn", "--factory", target, *_]:
            module, _, attribute = target.partition(":")
            assert callable(getattr(import_module(module), attribute))
        case ["python", "-m", module, *_]:
            assert find_spec(module) is not None, f"{service}: there is no module {module}"
        case ["python", "-c", code]:
            ast.parse(code)
        case ["nas", name, *_]:
            assert name in {known.name for known in COMMANDS}
        case ["ray", name, *_]:
            import_module("ray.scripts.scripts").cli.commands[name]
        case [program, *_]:
            assert shutil.which(program), f"{service}: there is no program {program}"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_long_running_service_is_checked_and_restarted(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_nobody_waits_for_a_service_that_cannot_say_it_is_ready() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            one_shot = how["condition"] == "service_completed_successfully"
            assert one_shot if needed == "migrate" else "healthcheck" in SERVICES[needed]


def test_secrets_come_from_the_environment_and_are_required() -> None:
    mentioned = re.findall(r"\$\{(NAS_\w*(?:PASSWORD|TOKEN|KEY|SECRET)\w*)([^}]*)\}", TEXT)
    assert {name for name, _ in mentioned} == {"NAS_DB_PASSWORD", "NAS_RAY_TOKEN"}
    assert all(rest.startswith(":?set ") for _, rest in mentioned)


def test_every_setting_is_one_that_exists() -> None:
    fields = import_module("nas.settings").Settings.model_fields
    named = {key for service in OURS.values() for key in service.get("environment", {}) if key.startswith("NAS_")}
    assert {key.removeprefix("NAS_").lower() for key in named} <= set(fields)


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_database_and_checkpoints_live_in_volumes() -> None:
    assert set(DOCUMENT["volumes"]) == {"database", "data"}
    holders = {name for name, service in SERVICES.items() if "data:/data" in service.get("volumes", ())}
    assert holders == {"migrate", "api", "driver", "gpu-worker"}
    assert SERVICES["postgres"]["volumes"] == ["database:/var/lib/postgresql"]


def test_users_corpora_are_where_they_are_checked_and_where_they_are_read() -> None:
    root = SERVICES["api"]["environment"]["NAS_DATA_ROOT"]
    mounted = {name for name, service in SERVICES.items() if any(f":{root}:ro" in each for each in service.get("volumes", ()))}
    assert mounted == {"api", "gpu-worker"}
    assert SERVICES["driver"]["environment"]["NAS_DATA_ROOT"] == root


def test_streams_do_not_hold_up_the_end() -> None:
    command = SERVICES["api"]["command"]
    seconds = int(command[command.index("--timeout-graceful-shutdown") + 1])
    # docker kills after 10
    assert 0 < seconds < 10


def test_workers_have_no_way_to_the_database() -> None:
    worker = SERVICES["gpu-worker"]
    assert "NAS_DATABASE_URL" not in worker["environment"]
    assert not set(worker["networks"]) & set(SERVICES["postgres"]["networks"])


def test_image_has_a_python_that_is_supported_and_is_not_root() -> None:
    dockerfile = SERVICES["api"]["build"]["dockerfile_inline"]
    version = re.search(r"^FROM python:(\d+)\.(\d+)", dockerfile)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (3, 11)
    assert "USER nas" in dockerfile


def test_image_is_made_without_what_git_ignores() -> None:
    """A virtual environment would double the image, a data directory would put its keys into it."""
    left_out = (COMPOSE.parent / ".dockerignore").read_text().split()
    assert {".git", ".venv", ".nas"} <= {name.rstrip("/") for name in left_out}


def test_driver_counts_its_slots_once_the_gpus_are_there() -> None:
    assert "gpu-worker" in SERVICES["driver"]["depends_on"]


def test_proxy_can_let_others_in() -> None:
    assert "NAS_ALLOWED_HOSTS" in SERVICES["api"]["environment"]
    assert SERVICES["api"]["environment"]["FORWARDED_ALLOW_IPS"]
