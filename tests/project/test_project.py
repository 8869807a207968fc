"""The repository keeps its own rules."""

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.uv import uv
from harness.waiting import FETCHING_TIMEOUT_S
from scripts.ingest_foo.cli import Exit

ROOT = Path(__file__).resolve().parents[2]
COMPILED = {
    "requirements.txt": ["pyproject.toml"],
    "requirements-generate.txt": ["--group", "generate"],
    "requirements-ingest.txt": ["--group", "ingest"],
    "requirements-live.txt": ["--group", "live"],
    "requirements-operate.txt": ["--group", "operate"],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev"],
    "stack/requirements-audit.txt": ["--group", "audit"],
}


@pytest.mark.timeout(FETCHING_TIMEOUT_S)
@pytest.mark.parametrize("name", COMPILED)
def test_requirement_files_are_in_step_with_pyproject(name: str, tmp_path: Path) -> None:
    # Beside a copy, so that pins stay as they are where pyproject.toml still allows them.
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    options = [
        "--python",
        sys.executable,
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--no-annotate",
        "--no-header",
        "-o",
        name,
    ]
    uv("pip", "compile", *options, *COMPILED[name], cwd=tmp_path)
    assert (tmp_path / name).read_text() == (ROOT / name).read_text(), "run: make lock"


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.timeout(FETCHING_TIMEOUT_S)
@pytest.mark.parametrize(
    ("requirements", "command", "code"),
    [
        # As nobody takes what it has heard.
        ("requirements-ingest.txt", ["ingest-foo", "--emulate", "2", "--seconds", "1", "--url", NOWHERE], 7),
        ("requirements-generate.txt", ["generate-data", "run", "--seconds", "1", "--speed", "max", "--to", "-"], 0),
        # Everything is down, which it can tell.
        (
            "requirements-operate.txt",
            [
                *("beatstream", "status", "--json", "--url", NOWHERE),
                *("--clickhouse", NOWHERE, "--wall", NOWHERE, "--broker", "127.0.0.1:9"),
            ],
            2,
        ),
    ],
)
def test_a_part_installs_alone(requirements: str, command: list[str], code: int, tmp_path: Path) -> None:
    alone = tmp_path / "venv"
    env = {**os.environ, "VIRTUAL_ENV": str(alone), "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": ""}
    source = tmp_path / "source"
    for name in ("app", "scripts", "stack"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, source / name)
    for arguments in (
        ["venv", "--python", sys.executable, str(alone)],
        ["pip", "sync", "--require-hashes", str(ROOT / requirements)],
        ["pip", "install", "--no-deps", str(source)],
    ):
        uv(*arguments, "--quiet", cwd=tmp_path, env=env)
    program = alone / "bin" / command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    if command[0] == "beatstream":
        assert json.loads(done.stdout)["health"] == "down", done.stderr
    packages = {path.name for path in (alone / "lib").glob("python*/site-packages/*")}
    assert not packages & {"moose_lib", "chdb", "clickhouse_connect", "psutil", "pytest"}
    installed = sum(file.stat().st_size for file in (alone / "lib").rglob("*") if file.is_file())
    assert installed < 40_000_000


def test_the_service_unit_starts_what_there_is() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign] # names of settings have capitals
    unit.read_string((ROOT / "docs" / "ingest-foo.service").read_text())
    program, *options = unit["Service"]["ExecStart"].split()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(program).name in scripts
    text = subprocess.run(
        [Path(sys.executable).parent / "ingest-foo", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(option in text for option in options)
    assert unit["Service"]["Environment"].split("=")[0] in text
    assert unit["Service"]["SuccessExitStatus"] == str(int(Exit.NOT_DELIVERED)), "to be stopped is no failure"
    assert (unit["Service"]["Type"], int(unit["Service"]["WatchdogSec"]) > 5) == ("notify", True)


def test_docker_compose_is_valid() -> None:
    command: list[str | Path] = [
        Path(sys.executable).parent / "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
    ]
    done = subprocess.run([*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_the_domain_imports_only_the_standard_library() -> None:
    for file in (ROOT / "app" / "heartrate").glob("*.py"):
        foreign = {
            name
            for name in imports(file)
            if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("app.heartrate")
        }
        assert not foreign, f"{file.name}: {foreign}"


PRODUCT = ("app", "scripts", "live", "stack")
STANDS_ON: dict[str, tuple[str, ...]] = {
    "app": (),
    "scripts": ("app",),
    "live": ("app",),
    "stack": ("app",),
    "harness": PRODUCT,
    "benchmarks": (*PRODUCT, "harness"),
    "chaos": (*PRODUCT, "harness", "benchmarks"),
    "tests": (*PRODUCT, "harness", "benchmarks", "chaos"),
}


@pytest.mark.parametrize("folder", STANDS_ON)
def test_imports_point_one_way(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        own = {name for name in imports(file) if name.split(".")[0] in STANDS_ON}
        assert {name.split(".")[0] for name in own} <= {folder, *STANDS_ON[folder]}, file
        if folder in ("scripts", "live", "stack"):
            # Of the app its domain; and what the launcher asks `app` itself for: settings, and changes to Moose.
            others = {name for name in own if name.startswith("app") and not name.startswith("app.heartrate")}
            assert others <= ({"app", "app.moose_changes"} if folder == "stack" else set()), file


def test_no_machine_and_no_registry_is_named() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.suffix in (".csv", ".json", ".png") or not file.is_file():
            continue
        text = file.read_text()
        for pattern in (r"/root/", r"/home/\w+/", r"pypi\.org", r"pythonhosted", r"index-url"):
            if name != "tests/project/test_project.py":
                assert not re.search(pattern, text), f"{name}: {pattern}"
