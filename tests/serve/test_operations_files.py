"""What is delivered for running the service fits the service, as far as that can be told without running it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tart.errors import IndexFolderError
from tart_serve.cli import serve
from tart_serve.security.api_keys import ApiKey, Scope, key_digest
from tart_serve.security.key_file import add_key

ROOT = Path(__file__).parents[2]
SERVE = ROOT / "serve"
METRIC = re.compile(r"\btart_[a-z_]+")


def instructions() -> Iterator[tuple[str, str]]:
    """Name and argument of every instruction of the Dockerfile."""
    text = re.sub(r"\\\n", " ", (SERVE / "Dockerfile").read_text())
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, argument = line.strip().partition(" ")
            yield name, argument.strip()


def arguments_of(name: str) -> list[str]:
    return [argument for found, argument in instructions() if found == name]


@pytest.fixture
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((SERVE / "compose.yaml").read_text())
    return read


@pytest.fixture
def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(SERVE / "tart.service")
    return parser


def test_all_that_the_image_copies_is_there() -> None:
    copied = [source for line in arguments_of("COPY") if "--from=" not in line for source in line.split()[:-1]]
    assert {"pyproject.toml", "constraints.txt", "tart", "serve"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    ignored = (SERVE / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied)


def test_the_image_has_two_stages_no_root_and_no_secret() -> None:
    assert len(arguments_of("FROM")) == 2
    names = [name for name, _ in instructions()]
    assert arguments_of("USER") == ["10001:10001"]
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN")  # Nothing runs as root after it.
    variables = re.findall(r"(\w+)=", " ".join(arguments_of("ENV") + arguments_of("ARG")))
    assert variables
    assert not [name for name in variables if re.search("KEY|TOKEN|SECRET|PASSWORD", name)]
    assert not any(name == "ADD" for name in names)


def test_the_image_asks_for_its_health_with_what_it_has() -> None:
    [check] = arguments_of("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "/healthz" in command[2]


def command_lines(compose: dict[str, Any], unit: RawConfigParser) -> dict[str, list[str]]:
    [image] = arguments_of("CMD")
    assert arguments_of("ENTRYPOINT") == ['["tart"]']
    assert "command" not in compose["services"]["tart"]
    return {"image": json.loads(image), "unit": shlex.split(unit["Service"]["ExecStart"])[1:]}


def test_the_command_lines_are_ones_that_the_command_takes(compose: dict[str, Any], unit: RawConfigParser) -> None:
    for line in command_lines(compose, unit).values():
        assert line[0] == "serve"
        assert "--keys" in line
        assert "--allow-public" not in line
        result = CliRunner().invoke(serve, line[1:])
        assert isinstance(result.exception, IndexFolderError), result.output  # All options are; the folder is not.


def test_compose_mounts_what_is_there_and_opens_nothing_to_others(compose: dict[str, Any]) -> None:
    made_by_hand = {"./keys"}
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert "no-new-privileges:true" in service["security_opt"]
        for source in (volume.partition(":")[0] for volume in service["volumes"]):
            if source.startswith("./") and source not in made_by_hand:
                assert (SERVE / source).is_file(), source
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert {config["source"] for config in service.get("configs", [])} <= set(compose["configs"])
    for config in compose["configs"].values():
        assert yaml.safe_load(config["content"])["apiVersion"] == 1
    built = compose["services"]["tart"]["build"]
    assert (SERVE / built["context"] / built["dockerfile"]).is_file()


def test_prometheus_collects_where_the_service_tells(compose: dict[str, Any], client: TestClient) -> None:
    [job] = yaml.safe_load((SERVE / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["tart:8080"]}]
    assert "tart" in compose["services"]
    assert client.get(job["metrics_path"]).status_code == 200
    secret = job["authorization"]["credentials_file"]
    assert Path(secret).name in compose["services"]["prometheus"]["secrets"]


def exposed(client: TestClient) -> dict[str, set[str]]:
    """Every series that the running service tells, and the labels it can have."""
    service = client.app.state.service  # type: ignore[attr-defined]
    metrics = service.metrics
    metrics.request("/", 200, 0.1)
    metrics.stage("encode", 0.1)
    metrics.rejected("queue_full")
    metrics.cache("vectors", 1, 1)
    metrics.reloaded("switched")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_the_dashboard_asks_only_for_what_the_service_tells(client: TestClient) -> None:
    dashboard = json.loads((SERVE / "grafana-dashboard.json").read_text())
    series = exposed(client)
    asked: set[str] = set()
    for panel in dashboard["panels"]:
        assert panel["description"]
        for target in panel["targets"]:
            names = set(METRIC.findall(target["expr"]))
            assert names <= set(series), target["expr"]
            labels = {label for name in names for label in series[name]}
            wanted = re.findall(r"\bby \(([^)]*)\)", target["expr"]) + re.findall(r"\{(\w+)=~?\"", target["expr"])
            assert {label.strip() for one in wanted for label in one.split(",")} <= labels, target["expr"]
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert shown <= labels
            assert target["expr"].count("(") == target["expr"].count(")")
            asked |= names
    # And it leaves out nothing that the service tells.
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    assert families == {re.sub(r"_(bucket|count|sum)$", "", name) for name in series}


def test_the_unit_is_hardened(unit: RawConfigParser) -> None:
    service = unit["Service"]
    for name, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert service[name] == value
    assert "User" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    # Only the program itself is not installed where systemd looks for it.
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", (SERVE / "tart.service").read_text())
    (tmp_path / "tart.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "tart.service")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_key_folder_of_the_image_is_seen_anew(tmp_path: Path) -> None:
    """A key file is replaced, not written over: a mount of the file alone would keep the old one."""
    file = tmp_path / "keys.txt"
    add_key(file, ApiKey("a", Scope.READ, key_digest("a")))
    before = file.stat().st_ino
    add_key(file, ApiKey("b", Scope.READ, key_digest("b")))
    assert file.stat().st_ino != before
    volumes = yaml.safe_load((SERVE / "compose.yaml").read_text())["services"]["tart"]["volumes"]
    assert "./keys:/etc/tart:ro" in volumes
