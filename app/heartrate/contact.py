"""Whether what a strap shows is alive.

ANT+ has no contact bit: frozen beats and heart rate 0 are the only signs (notes 3.3).
"""

from enum import StrEnum

SECOND_US = 1_000_000
LINK_LOST_AFTER_US = 3 * SECOND_US
STALE_AFTER_AT_LEAST_US = 3 * SECOND_US
STALE_AFTER_AT_MOST_US = 5 * SECOND_US
STALE_AFTER_INTERVALS = 3

AHEAD_S = 5
"""Clocks of receivers and of this machine may differ by so much; what is further in the future a wrong one stamped."""


class Contact(StrEnum):
    """What to show of a strap."""

    LIVE = "live"
    INVALID = "invalid"
    """The strap itself says that it has no heart rate."""
    STALE = "stale"
    """The strap transmits, and no new beat comes: show the last one greyed, with its age."""
    LOST = "lost"
    """No packet comes."""


def contact(
    now_us: int, last_packet_us: int, last_beat_us: int | None, rr_interval_us: int | None, heart_rate: int | None
) -> Contact:
    """The state of a strap at a moment.

    Args:
        now_us: The moment; all times are µs since 1970 UTC.
        last_packet_us: When its last packet was heard.
        last_beat_us: When its last new beat happened; None: there was none.
        rr_interval_us: Its last RR interval; None: unknown.
        heart_rate: What its last packet said, bpm; None: invalid.
    """
    if now_us - last_packet_us > LINK_LOST_AFTER_US:
        return Contact.LOST
    if heart_rate is None:
        return Contact.INVALID
    patience = STALE_AFTER_INTERVALS * (rr_interval_us or 0)
    patience = min(max(patience, STALE_AFTER_AT_LEAST_US), STALE_AFTER_AT_MOST_US)
    if last_beat_us is None or now_us - last_beat_us > patience:
        return Contact.STALE
    return Contact.LIVE
