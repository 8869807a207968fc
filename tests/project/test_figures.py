"""Every figure of the README and docs/ comes out of benchmarks/results.json."""

from benchmarks import __main__ as bench
from benchmarks import report
from benchmarks.results import Results


def test_pages_say_what_was_measured() -> None:
    results = Results.load()
    readme = report.README.read_text()
    assert report.readme(readme, results) == readme
    assert report.BEGIN in readme
    assert report.page(results) == report.PAGE.read_text()
    assert report.filled((report.PAGES / "scale.md").read_text(), results) == report.SCALE.read_text()


def test_every_benchmark_has_been_run() -> None:
    assert Results.load().parts.keys() == {*bench.ALONE, *bench.ON_A_STACK}


def test_numbers_read_as_a_person_reads_them() -> None:
    said = [report.number(value) for value in (0.0, 3.0, 11_216.28, 3.1459, 0.012345, 99.96, 1_000_000.0, 812.4)]
    assert said == ["0", "3", "11 216", "3.15", "0.0123", "100.0", "1 000 000", "812"]
