"""What is deployed keeps its promises. No Docker is needed: files are read, and the images' contents laid out."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app import table_layout
from app.heartrate import retention

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe").load(COMPOSE.read_text())["services"]
PUBLISHED = {"proxy": ["80:8080", "443:8443"], "demo-proxy": ["127.0.0.1:4000:4000", "127.0.0.1:4080:4080"]}
WRITABLE = {
    "redpanda": "rpk writes its configuration",
    "clickhouse": "its entry point writes the users of the environment",
}
"""Services whose root is not read-only, and why."""

SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY|REDISCLI_AUTH|REDIS_CONFIG__URL")
STARTS = {
    "app": ["-c", "import app.main"],
    "live": ["-m", "live", "--help"],
    "ingest-foo": ["-m", "scripts.ingest_foo", "--help"],
    "generate-data": ["-m", "scripts.generate_data", "--help"],
    "beatstream": ["-m", "scripts.operate", "--help"],
}

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""

each_service = pytest.mark.parametrize("name", SERVICES)


def dockerfile() -> list[list[str]]:
    """Its instructions, as words."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def copied() -> dict[str, list[tuple[str, str]]]:
    """What each stage takes from the repository: source and target."""
    stages: dict[str, list[tuple[str, str]]] = {}
    stage = ""
    for word, *rest in dockerfile():
        if word == "FROM":
            stage = rest[2]
            stages[stage] = []
        elif word == "COPY" and not rest[0].startswith("--from"):
            stages[stage] += [(source, rest[-1]) for source in rest[:-1]]
    return stages


@each_service
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:v?\d+(\.\d+){2,3}(-[a-z0-9.]+)?", SERVICES[name]["image"])


def test_base_images_are_pinned() -> None:
    instructions = dockerfile()
    (default,) = [rest[0] for word, *rest in instructions if word == "ARG"]
    assert re.fullmatch(r"PYTHON=python:3\.12\.\d+-slim-\w+", default)
    named = {rest[2] for word, *rest in instructions if word == "FROM"}
    assert {rest[0] for word, *rest in instructions if word == "FROM"} <= named | {"${PYTHON}"}


@each_service
def test_a_service_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert int(service["logging"]["options"]["max-file"]) > 1, "logs have an end"


@each_service
def test_a_service_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices"}
    assert service.get("read_only", False) == (name not in WRITABLE)
    if "build" in service:
        # Own images end as that user.
        assert ["USER", "10001:10001"] in dockerfile()
    else:
        assert service["user"] not in ("root", "0")
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


@each_service
def test_nothing_but_the_proxies_is_published(name: str) -> None:
    assert SERVICES[name].get("ports", []) == PUBLISHED.get(name, [])


def test_only_the_proxies_and_grafana_reach_out() -> None:
    networks = YAML(typ="safe").load(COMPOSE.read_text())["networks"]
    assert [name for name, settings in networks.items() if not (settings or {}).get("internal")] == ["edge"]
    assert {name for name, service in SERVICES.items() if "edge" in service["networks"]} == {*PUBLISHED, "grafana"}
    # Who sends reaches the gateway, not the broker or the database.
    assert all(SERVICES[name]["networks"] == ["receivers"] for name in ("ingest-foo", "straps"))


@each_service
def test_every_secret_comes_from_the_environment_and_is_required(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable):
            assert re.search(r"\$\{\w+:\?[^}]+\}", value), f"{variable} has a value of its own, or may be empty"


def test_the_wall_is_behind_two_tokens() -> None:
    """One to change, one to look; the application's own tests say what they are good for."""
    said = SERVICES["live"]["environment"]
    named = [
        re.findall(r"\$\{(\w+):\?", said[name]) for name in ("BEATSTREAM_LIVE_TOKEN", "BEATSTREAM_LIVE_LOOK_TOKEN")
    ]
    assert named == [["BEATSTREAM_ROOM_TOKEN"], ["BEATSTREAM_ROOM_LOOK_TOKEN"]]


def test_the_app_is_told_how_long_each_table_is_kept() -> None:
    passed = {
        name: value for name, value in SERVICES["app"]["environment"].items() if name.startswith(retention.PREFIX)
    }
    usual = {retention.variable(table): days or retention.FOR_EVER for table, days in retention.USUAL_DAYS.items()}
    assert passed == {name: f"${{{name}:-{days}}}" for name, days in usual.items()}


def test_the_app_is_told_how_tables_are_kept() -> None:
    passed = SERVICES["app"]["environment"]
    assert passed[table_layout.PARTITION] == f"${{{table_layout.PARTITION}:-{table_layout.USUAL_PARTITION}}}"
    # Moose refuses a cluster that its own settings do not name.
    named = (passed[table_layout.CLUSTER], passed["MOOSE_CLICKHOUSE_CONFIG__CLUSTERS[0]__NAME"])
    assert set(named) == {f"${{{table_layout.CLUSTER}:-}}"}


def test_new_settings_are_complete() -> None:
    said = subprocess.run([DEPLOY / "new_env.py", "wall.example"], capture_output=True, text=True, check=True).stdout
    given = dict(line.split("=", 1) for line in said.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text())) == given.keys()
    secrets = [value for name, value in given.items() if name != "BEATSTREAM_DOMAIN"]
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[0-9a-f.]{32,}", value) for value in secrets), "Redis' stands in a URL"


def test_the_broker_is_durable() -> None:
    (command,) = SERVICES["redpanda"]["command"]
    assert command.startswith("rpk redpanda mode production &&")
    assert "--unsafe-bypass-fsync=false" in command
    assert "dev-container" not in command
    settings = YAML(typ="safe").load((DEPLOY / "redpanda" / "bootstrap.yaml").read_text())
    assert settings["write_caching_default"] == "disabled"


def test_what_is_in_a_table_is_on_the_disk() -> None:
    assert any(
        volume.startswith("./deploy/clickhouse/beatstream.xml:/etc/clickhouse-server/config.d/")
        for volume in SERVICES["clickhouse"]["volumes"]
    )
    given = ET.parse(DEPLOY / "clickhouse" / "beatstream.xml")
    for setting in ("fsync_after_insert", "fsync_part_directory"):
        assert given.findtext(f"merge_tree/{setting}") == "1"


def test_packets_of_many_months_in_one_batch_stop_no_table() -> None:
    mounted = "./deploy/clickhouse/moose.xml:/etc/clickhouse-server/users.d/moose.xml:ro"
    assert mounted in SERVICES["clickhouse"]["volumes"]
    # Moose's user, which the image's entry point writes, has the profile "default".
    given = ET.parse(DEPLOY / "clickhouse" / "moose.xml").findtext("profiles/default/max_partitions_per_insert_block")
    assert given == "0", "no limit"


@each_service
def test_mounted_files_are_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *options = volume.split(":") if not volume.startswith("${") else (volume, "", "")
        if source.startswith("./") and not source.startswith("./deploy/secrets/"):
            assert (ROOT / source).exists()
            assert options == ["ro"], target


def test_each_file_of_passwords_is_mounted_and_how_to_make_it_is_told() -> None:
    file = re.compile(r"\w+\.htpasswd")
    named = set(file.findall((DEPLOY / "nginx" / "production.conf.template").read_text()))
    assert {name for volume in SERVICES["proxy"]["volumes"] for name in file.findall(volume.split(":")[1])} == named
    assert set(re.findall(r">> deploy/secrets/(\S+)", (ROOT / "docs" / "deploy.md").read_text())) == named


def test_an_image_takes_only_what_it_starts_with() -> None:
    assert copied() == {
        "uv": [("stack/requirements-uv.txt", "/build/")],
        "app-packages": [("requirements.txt", "/build/")],
        "live-packages": [("requirements-live.txt", "/build/")],
        "ingest-packages": [("requirements-ingest.txt", "/build/")],
        "generate-packages": [("requirements-generate.txt", "/build/")],
        "operate-packages": [("requirements-operate.txt", "/build/")],
        "base": [],
        "app": [*((name, "./") for name in ("moose.config.toml", "setup.py", "requirements.txt")), ("app", "app")],
        "live": [("app/__init__.py", "app/"), ("app/heartrate", "app/heartrate"), ("live", "live")],
        **{
            image: [
                ("app/__init__.py", "app/"),
                ("app/heartrate", "app/heartrate"),
                *((f"scripts/{module}.py", "scripts/") for module in modules),
                ("scripts/delivery", "scripts/delivery"),
                *((f"scripts/{folder}", f"scripts/{folder}") for folder in folders),
            ]
            # An emulated stick hears synthetic people.
            for image, modules, folders in (
                ("ingest-foo", ("__init__", "signals"), ("generate_data", "ingest_foo")),
                ("generate-data", ("__init__",), ("generate_data",)),
                ("beatstream", ("__init__", "signals"), ("operate",)),
            )
        },
    }
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    sources = {source for stage in copied().values() for source, _ in stage}
    assert {name for name in allowed if not any(source.startswith(name) for source in sources)} == set()
    assert {source for source in sources if not any(source.startswith(name) for name in allowed)} == set()


@pytest.mark.parametrize("image", STARTS)
def test_an_image_holds_all_that_it_starts(image: str, tmp_path: Path) -> None:
    for source, target in copied()[image]:
        to = tmp_path / target / (source.rpartition("/")[2] if target.endswith("/") else "")
        to.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, to)
    packages = [target.replace("/", ".") for source, target in copied()[image] if (ROOT / source).is_dir()]
    for arguments in (STARTS[image], ["-c", IMPORT_ALL, *packages]):
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_packages_are_installed_by_hash_only() -> None:
    installs = [
        line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if re.search(r"pip (sync|install)", line)
    ]
    assert len(installs) == 6
    assert all("--require-hashes" in line for line in installs)
    assert "apt-get" not in (DEPLOY / "Dockerfile").read_text()


def test_the_dashboard_asks_the_sources_that_are_provisioned() -> None:
    provisioned = DEPLOY / "grafana" / "provisioning" / "datasources" / "beatstream.yaml"
    known = {source["uid"] for source in YAML(typ="safe").load(provisioned.read_text())["datasources"]}
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "beatstream.json").read_text())
    assert {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]} == known


def test_prometheus_asks_services_that_there_are() -> None:
    jobs = YAML(typ="safe").load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for config in job["static_configs"] for target in config["targets"]]
    assert {target.partition(":")[0] for target in targets} <= SERVICES.keys()
