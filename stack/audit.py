"""`make audit`: what is known against pinned packages (asked of OSV), and a list of all that is installed (CycloneDX).

Runs with the standard library; the two tools have an environment of their own, so that nothing here depends on theirs.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OSV = "https://api.osv.dev"
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 2
ANSWER_WITHIN_S = 5
"""Of each question; `make test` asks them, and goes on where nobody answers."""
WITHIN_S = 120


def main() -> int:
    """Run it. Exit code 0: nothing known (or --tell), or nobody could be asked (without --strict); else 1 and 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="*", type=Path, default=[*ROOT.glob("requirements*.txt"), *ROOT.glob("stack/*.txt")]
    )
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv", help="Whose packages are listed.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".beatstream", help="For the tools and the list.")
    parser.add_argument("--service", default=OSV, help="Who is asked.")
    parser.add_argument("--tell", action="store_true", help="What is known is told, and no failure.")
    parser.add_argument("--strict", action="store_true", help="Not to have been answered is a failure.")
    asked = parser.parse_args()
    tools = asked.folder.resolve() / "audit"
    try:
        _install(tools)
        _list(tools, asked.environment, asked.folder / "sbom.cdx.json")
    except (OSError, subprocess.SubprocessError) as error:
        return not_asked(
            f"the tools could not be installed or run: {_last_line(getattr(error, 'stderr', None) or str(error))}",
            strict=asked.strict,
        )
    found = _audit(tools, sorted(asked.files), asked.service)
    if isinstance(found, str):
        return not_asked(f"{asked.service} could not be asked: {found}", strict=asked.strict)
    for name, version, known in found:
        print(f"{name} {version}: {known}")
    if not found:
        print(f"Nothing known against what {', '.join(sorted(file.name for file in asked.files))} pin.")
    return VULNERABLE if found and not asked.tell else CLEAN


def _install(tools: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    patience = {"UV_HTTP_TIMEOUT": str(ANSWER_WITHIN_S), "UV_HTTP_RETRIES": "1"}
    env = {**patience, **os.environ, "VIRTUAL_ENV": str(tools)}
    requirements = ROOT / "stack" / "requirements-audit.txt"
    for command in (
        ["venv", "--allow-existing", "--python", sys.executable, str(tools)],
        ["pip", "sync", "--require-hashes", str(requirements)],
    ):
        subprocess.run([uv, *command, "--quiet"], env=env, check=True, capture_output=True, text=True)


def _list(tools: Path, environment: Path, file: Path) -> None:
    # To check its own answer against the schema takes it ten times as long as to find it.
    command: list[str | Path] = [
        tools / "bin" / "cyclonedx-py",
        "environment",
        "--no-validate",
        environment / "bin" / "python",
        "-o",
        file,
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    print(f"{file}: {len(json.loads(file.read_text())['components'])} components")


def _audit(tools: Path, files: list[Path], service: str) -> list[tuple[str, str, str]] | str:
    """Name, version and what is known of each package that something is known of; or why nobody was asked."""
    command: list[Any] = [
        tools / "bin" / "pip-audit",
        "--vulnerability-service",
        "osv",
        "--osv-url",
        f"{service}/v1/query",
        "--timeout",
        str(ANSWER_WITHIN_S),
    ]
    command += ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    # At once, as it asks for each package once then.
    for file in files:
        command += ["-r", file]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"no answer within {WITHIN_S} s"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _last_line(done.stderr.strip() or f"exit code {done.returncode}")
    return [
        (each["name"], each.get("version", ""), ", ".join(known["id"] for known in each["vulns"]))
        for each in packages
        if each.get("vulns")
    ]


def not_asked(why: str, *, strict: bool) -> int:
    """Say so; the exit code."""
    print(f"Vulnerabilities were NOT looked up: {why}", file=sys.stderr)
    if not strict:
        print("That is no failure here; with STRICT=1 it is.", file=sys.stderr)
    return NOT_ASKED if strict else CLEAN


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1][:300]


if __name__ == "__main__":
    sys.exit(main())
