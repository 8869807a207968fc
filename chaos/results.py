"""What was found, kept in results.json by fault, and docs/chaos.md out of it.

`python -m chaos.results` writes the page.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rich.table import Table

from benchmarks.results import commit, machine
from chaos.fault import Outcome
from chaos.faults import ALL

FILE = Path(__file__).with_name("results.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "chaos.md"
HEAD = Path(__file__).with_name("page.md")
COLUMNS = ("fault", "what was checked", "beats", "lost", "doubled", "wrong", "recovered after, s", "ok")


@dataclass(slots=True)
class Results:
    """By fault."""

    faults: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Self:
        """What is kept; empty at first."""
        return cls(json.loads(FILE.read_text()) if FILE.exists() else {})

    def note(self, name: str, outcome: Outcome) -> None:
        """Keep what has just been found."""
        self.faults[name] = {
            "found_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": commit(),
            "machine": machine(),
            **outcome.as_json(),
        }
        FILE.write_text(json.dumps(self.faults, indent=1) + "\n")


def cells(name: str, found: dict[str, Any]) -> list[str]:
    """A row of the table."""
    recovered = found["recovered_s"]
    return [
        name,
        found["checked"],
        *(str(found[field]) for field in ("expected", "lost", "doubled", "wrong")),
        "" if recovered is None else f"{recovered:.1f}",
        "yes" if found["ok"] else "NO",
    ]


def table(outcomes: dict[str, Outcome]) -> Table:
    """For a terminal; what was broken stands below its row."""
    shown = Table(*COLUMNS)
    for name, outcome in outcomes.items():
        shown.add_row(*cells(name, outcome.as_json()), style=None if outcome.ok else "red")
        for line in (*outcome.broken, *outcome.notes):
            shown.add_row("", line, style="dim")
    return shown


def page(results: Results) -> str:
    """docs/chaos.md."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    remarks = []
    for name in ALL:
        if name not in results.faults:
            lines.append(f"| {name} | {' |' * (len(COLUMNS) - 2)} not run |")
            continue
        found = results.faults[name]
        lines.append(f"| {' | '.join(cells(name, found))} |")
        remarks += [f"- {name}: {line}" for line in (*found["broken"], *found["notes"])]
    runs = sorted({(found["commit"], found["machine"]) for found in results.faults.values()})
    where = [f"- commit {measured} on {place}" for measured, place in runs]
    return "\n".join([HEAD.read_text(), *lines, "", *remarks, "", "Found on:", "", *where]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(Results.load()))
