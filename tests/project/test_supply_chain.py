"""What is installed is pinned, hashed, and under a licence that was agreed to. Vulnerabilities: `make audit`."""

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCKED = sorted([*ROOT.glob("requirements*.txt"), ROOT / "stack" / "requirements-uv.txt"])
AUDIT = ROOT / "stack" / "requirements-audit.txt"
"""In an environment of its own, which only `make audit` makes."""

PERMISSIVE = re.compile(
    r"MIT(-0|-CMU)?( License)?|(0BSD|(3-Clause )?BSD( License)?|BSD-[23]-Clause)|Apache( Software License|[- ]2\.0)"
    r"|ISC( License \(ISCL\))?|PSF-2\.0|Python Software Foundation License|Zlib|CC0-1\.0"
    # Copyleft of single files, which are used as they come.
    r"|MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)"
)
"""What each part of a licence may be."""

AGREED = {
    "crc32c": ("LGPL-2.1-or-later", "used as it comes, by import; Moose's Kafka client does without it, slower"),
    "openant": ("MIT", "its metadata holds the whole text instead of a name"),
    "atheris": ("Apache-2.0", "says it in a file only; tests only"),
    "axe-playwright-python": ("MIT", "says it in a file only; tests only"),
    "moose-lib": ("MIT", "its wheel says nothing; moose-cli, of the same repository and release, says MIT"),
}
"""Packages whose metadata names no licence of the list: what it is, and why it is all right."""


def requirements() -> dict[str, Requirement]:
    """Every locked package by its name."""
    lines = [line for file in LOCKED for line in file.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]
    return {(found := Requirement(line.removesuffix("\\").strip())).name: found for line in lines}


def licences(name: str) -> list[str]:
    """What a package's metadata says: an SPDX expression, else classifiers, else its free field."""
    data = importlib.metadata.metadata(name)
    if expression := data.get("License-Expression"):
        return re.split(r"\s+(?:AND|OR)\s+", expression)
    marked = [line.rpartition(" :: ")[2] for line in data.get_all("Classifier", []) if line.startswith("License ::")]
    said = [line for line in marked if line != "DFSG approved"] or [str(data.get("License") or "").strip()]
    return [line.partition("\n")[0] for line in said]


@pytest.mark.parametrize("file", [*LOCKED, AUDIT], ids=lambda file: file.name)
def test_every_package_is_pinned_and_hashed(file: Path) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^#.*\n", "", file.read_text()).strip())
    assert len(blocks) > 0
    for block in blocks:
        assert re.match(r"[A-Za-z0-9._-]+==[\w.!+]+( ;[^\n]*)? \\\n", block), block.partition("\n")[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.partition("\n")[0]


def test_every_licence_is_agreed_to() -> None:
    unknown = {}
    for name, requirement in requirements().items():
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue  # of another platform: not installed, so it cannot be asked
        found = licences(name)
        if not all(PERMISSIVE.fullmatch(licence) for licence in found) and name not in AGREED:
            unknown[name] = found
    assert unknown == {}


@pytest.mark.parametrize("name", AGREED)
def test_an_exception_is_still_one(name: str) -> None:
    marker = requirements()[name].marker
    if marker is not None and not marker.evaluate():
        pytest.skip("not for this platform")
    assert not all(PERMISSIVE.fullmatch(licence) for licence in licences(name)), "it says so itself now: take it out"


def test_no_two_files_pin_different_versions() -> None:
    versions: dict[str, set[str]] = {}
    for file in LOCKED:
        for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", file.read_text()):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
