"""Shares of what was measured."""

from collections.abc import Sequence


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that a share (0 to 1) of the ascending values lies below."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
