"""What people did over a span of time: time at each heart rate read in SQL, and what app.heartrate makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Optional, Self

from moose_lib import MooseClient
from pydantic import BaseModel

from app.apis.question import ask
from app.apis.seconds import ask_seconds
from app.datamodels.per_second_heart_rate_aggregate import MEAN_RATE, OF_THE_SPAN, per_second_heart_rate_aggregate
from app.datamodels.strap_assignment import strap_assignment_pipeline
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.effort import edwards_points, energy_kcal
from app.heartrate.profiles import Profile
from app.heartrate.zones import HOLD_S, time_in_zones

GUEST = "if(user_id = 0, user_name, '')"
"""In SQL: what tells apart whom nobody has registered."""


class Who(NamedTuple):
    """A person whatever their name; or, where nobody is registered (user_id 0), a strap by its name."""

    user_id: int
    guest: str

    @classmethod
    def of(cls, user_id: int, user_name: str) -> Self:
        """Whose a row is."""
        return cls(user_id, "" if user_id else user_name)


class TimeAtRates(BaseModel):
    """How long somebody was at which heart rate."""

    user_id: int
    guest: str
    user_name: str
    rates: list[float]
    seconds: list[int]

    @property
    def who(self) -> Who:
        """Whose it is."""
        return Who(self.user_id, self.guest)

    @property
    def time_at(self) -> dict[float, int]:
        """Seconds by heart rate, bpm."""
        return dict(zip(self.rates, self.seconds, strict=True))


def time_at_rates(client: MooseClient, first: int, last: int, user_id: int | None = None) -> list[TimeAtRates]:
    """Everybody's time at each heart rate between two Unix seconds (rounded up, both included); or one person's.

    A heart rate stands until the next second that has one, `HOLD_S` at most; the last one counts a second.
    """
    return ask_seconds(
        client,
        f"""
        SELECT
            user_id, guest, argMax(user_name, newest) AS user_name,
            groupArray(rate) AS rates, groupArray(held) AS seconds
        FROM (
            SELECT user_id, guest, rate, toInt64(sum(stands)) AS held, max(at) AS newest,
                   argMax(user_name, at) AS user_name
            FROM (
                SELECT
                    user_id, user_name, {GUEST} AS guest, toUnixTimestamp(rounded_up_time) AS at,
                    {MEAN_RATE} AS rate,
                    leadInFrame(at, 1, 0) OVER (
                        PARTITION BY user_id, guest ORDER BY rounded_up_time
                        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
                    ) AS next_at,
                    if(next_at = 0, 1, least(next_at - at, {{hold:UInt32}})) AS stands
                FROM {per_second_heart_rate_aggregate.name} FINAL
                WHERE {OF_THE_SPAN}
                  AND notEmpty(hr_by_offset_ms)
                  AND (isNull({{user:Nullable(Int64)}}) OR user_id = {{user:Nullable(Int64)}})
            )
            GROUP BY user_id, guest, rate
        )
        GROUP BY user_id, guest
        ORDER BY user_id, guest
        """,  # noqa: S608 (own names)
        {"first": first, "last": last, "hold": HOLD_S, "user": user_id},
        TimeAtRates,
        lambda spent: spent.user_id,
    )


@dataclass(frozen=True, slots=True)
class Effort:
    """What a span of time cost a person; None: not known."""

    zone_seconds: Optional[tuple[int, ...]]
    points: Optional[float]
    energy_kcal: Optional[float]


def effort(time_at: Mapping[float, int], profile: Profile | None) -> Effort:
    """Zones, points and energy; energy needs a complete profile."""
    year = datetime.now(UTC).year
    scale = None if profile is None else profile.zones(year)
    if profile is None or scale is None:
        return Effort(None, None, None)
    zone_seconds = time_in_zones(time_at, scale)
    age, sex, weight = profile.age(year), profile.sex, profile.weight_kg
    energy = None
    if age is not None and sex is not None and weight is not None:
        energy = round(energy_kcal(time_at, scale, sex, age, weight), 1)
    return Effort(zone_seconds, round(edwards_points(zone_seconds), 2), energy)


class Second(BaseModel):
    """A person's mean heart rate in a second."""

    user_id: int
    guest: str
    at: int
    rate: float


def rates_by_second(client: MooseClient, first: int, last: int) -> dict[Who, dict[int, float]]:
    """Everybody's mean heart rates between two Unix seconds (rounded up, both included)."""
    rows = ask_seconds(
        client,
        f"""
        SELECT
            user_id, {GUEST} AS guest, toUnixTimestamp(rounded_up_time) AS at,
            {MEAN_RATE} AS rate
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {OF_THE_SPAN}
          AND notEmpty(hr_by_offset_ms)
        """,  # noqa: S608 (own names)
        {"first": first, "last": last},
        Second,
        lambda second: second.user_id,
    )
    by_person: dict[Who, dict[int, float]] = {}
    for row in rows:
        by_person.setdefault(Who(row.user_id, row.guest), {})[row.at] = row.rate
    return by_person


class PersonBeat(BaseModel):
    """A heartbeat of somebody."""

    user_id: int
    guest: str
    device_id: str
    hr_timestamp_seconds: float
    hr_value: Optional[int]
    rr_interval_ms: Optional[float]
    rr_computed: bool


def beats(client: MooseClient, first: int, last: int, user_id: int | None = None) -> list[PersonBeat]:
    """Everybody's heartbeats, or one person's, in order, within two Unix seconds (rounded up, both included)."""
    return ask(
        client,
        f"""
        SELECT
            user_id, {GUEST} AS guest,
            device_id, hr_timestamp_seconds, hr_value, rr_interval_ms, rr_computed
        FROM {unified_hr_packet_pipeline.get_table().name} FINAL
        WHERE hr_timestamp_seconds > {{after:Float64}} AND hr_timestamp_seconds <= {{until:Float64}}
          AND (isNull({{user:Nullable(Int64)}}) OR (
              user_id = {{user:Nullable(Int64)}} AND device_id IN (
                  SELECT device_id FROM {strap_assignment_pipeline.get_table().name}
                  WHERE user_id = {{user:Nullable(Int64)}}
              )
          ))
        ORDER BY user_id, guest, hr_timestamp_seconds
        """,  # noqa: S608 (own names)
        {"after": float(first - 1), "until": float(last), "user": user_id},
        PersonBeat,
    )
