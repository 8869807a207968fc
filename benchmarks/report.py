"""docs/speed.md, its plot, and the figures of README and docs/scale.md, out of results.json.

`python -m benchmarks.report` writes them.
"""

import importlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.results import Results
from benchmarks.scale_model import derived

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE, PLOT = REPOSITORY / "docs" / "speed.md", REPOSITORY / "docs" / "speed.svg"
README = REPOSITORY / "README.md"
SCALE = REPOSITORY / "docs" / "scale.md"
PAGES = Path(__file__).with_name("pages")
BEGIN, END = "<!-- figures of benchmarks/results.json: python -m benchmarks.report -->", "<!-- end of figures -->"

HEAD = """\
# Speed

Written by `make bench` from `benchmarks/results.json`, not by hand. Each benchmark measures its reference in the same
run. One run on one small machine that is shared with others: the ratios tell more than the figures, and both vary from
run to run.

![Throughput, freshness and answers](speed.svg)

The answers are those over 100 million beats of 200 people.

| goal | bound | measured | |
|---|---|---|---|"""

APIS = ("getLatestUserHeartRates", "getUserHeartRateStats", "get_group_hr_by_second", "getHR")
SIZES = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached."""

    what: str
    figure: str
    unit: str
    bound: str
    reached: Callable[[float], bool]


GOALS = (
    Goal("Pipeline to copying functions", "pipeline: ratio to the reference", "times", "at least 3", lambda x: x >= 3),
    Goal("Heartbeats lost in it", "pipeline: heartbeats lost", "", "0", lambda x: x == 0),
    Goal("Heartbeats doubled in it", "pipeline: heartbeats doubled", "", "0", lambda x: x == 0),
    *(
        Goal(f"{api}, p95", f"answers: {api} at 100 M beats, p95 ms", "ms", "under 20", lambda x: x < 20)
        for api in APIS
    ),
    Goal("Stored heartbeat", "storage: unified_hr_packet, bytes a beat", "bytes", "at most 6", lambda x: x <= 6),
)


def number(value: float) -> str:
    """As a person reads it: three digits that count, or whole."""
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}".replace(",", " ")
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}".replace(",", " ")


def page(results: Results) -> str:
    """docs/speed.md."""
    lines = [HEAD]
    for goal in GOALS:
        value = results.figure(goal.figure)
        reached = "reached" if goal.reached(value) else "**not reached**"
        lines.append(f"| {goal.what} | {goal.bound} {goal.unit} | {number(value)} {goal.unit} | {reached} |")
    for name, part in results.parts.items():
        about = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").strip()
        run = f"`{part['command']}`, {part['measured_at']}, commit {part['commit']}, on {part['machine']}"
        figures = [f"| {figure} | {number(value)} |" for figure, value in part["figures"].items()]
        lines += ["", f"## {name}", "", about, "", run, "", "| | |", "|---|--:|", *figures]
    return "\n".join(lines) + "\n"


def filled(template: str, results: Results) -> str:
    """A page's text with its figures. Raises `KeyError` for one that was not measured."""
    on_paper = derived(results.figure)

    def figure(asked: re.Match[str]) -> str:
        name = asked[1]
        return number(on_paper[name] if name in on_paper else results.figure(name))

    return re.sub(r"{{(.+?)}}", figure, template)


def readme(text: str, results: Results) -> str:
    """The README with the figures of the results."""
    block = f"{BEGIN}\n{filled((PAGES / 'readme.md').read_text(), results)}{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def plot(results: Results) -> None:
    """docs/speed.svg."""
    plt.rcParams.update({"svg.hashsalt": "beatstream", "font.size": 9})
    figure, (throughput, freshness, answers) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    _throughput(throughput, results)
    _freshness(freshness, results)
    _answers(answers, results)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


def _throughput(axes: Axes, results: Results) -> None:
    bars = {"copying functions\n(reference)": "reference (copying functions)", "Beatstream": "Beatstream"}
    values = [results.figure(f"pipeline: {name}, packets/s") for name in bars.values()]
    shown = axes.bar(list(bars), values, color=["#9aa0a6", "#d93025"])
    axes.bar_label(shown, [number(round(value)) for value in values])
    axes.set_title("Broker to table, packets/s")
    axes.margins(y=0.15)


def _freshness(axes: Axes, results: Results) -> None:
    ways = {
        "topic": "freshness: topic unified_hr_packet (reference)",
        "browser": "wall: packet posted to number changed",
        "raw table": "freshness: table raw_ant_hr_packet in SQL (reference)",
        "API": "freshness: getLatestUserHeartRates",
    }
    for percent, colour in ((99, "#f6aea9"), (95, "#ea6f67"), (50, "#d93025")):
        values = [results.figure(f"{way}, p{percent} ms") for way in ways.values()]
        axes.barh(list(ways), values, color=colour, label=f"p{percent}")
    axes.invert_yaxis()
    axes.legend()
    axes.set_title("Packet posted to beat visible in …, ms")


def _answers(axes: Axes, results: Results) -> None:
    for at, api in enumerate(APIS):
        colour = f"C{at}"
        figures = [results.figure(f"answers: {api} at {size} M beats, p95 ms") for size in SIZES]
        plain = [
            results.figure(f"answers: {api} at {size} M beats, p50 of the plain beats (reference), ms")
            for size in SIZES
        ]
        axes.plot(SIZES, figures, "o-", color=colour, label=api)
        axes.plot(SIZES, plain, "x:", color=colour)
    axes.axhline(20, color="#9aa0a6", linewidth=1)
    axes.set(
        xscale="log", yscale="log", xticks=SIZES, xticklabels=[f"{size} M" for size in SIZES], xlabel="beats stored"
    )
    axes.legend(fontsize=7)
    axes.set_title("Answers, ms: API p95 (line), plain beats (dots)")


def write(results: Results) -> None:
    """All of it."""
    PAGE.write_text(page(results))
    README.write_text(readme(README.read_text(), results))
    SCALE.write_text(filled((PAGES / "scale.md").read_text(), results))
    plot(results)


if __name__ == "__main__":
    write(Results.load())
