"""What is known of a person, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.heartrate.effort import Sex
from app.heartrate.hr_max import (
    ESTIMATE,
    HIGHEST_HR_MAX,
    HIGHEST_HR_REST,
    LOWEST_HR_MAX,
    LOWEST_HR_REST,
    OLDEST,
    YOUNGEST,
    HRMax,
    HRMaxSource,
    hr_max,
)
from app.heartrate.zones import Basis, ZoneScale, zone_scale

LARGEST_USER_ID = 2**53 - 1
"""Browsers, and who else reads JSON's numbers as IEEE 754 doubles (RFC 8259, 6), take larger ones for each other."""

LONGEST_NAME = 60
LIGHTEST_KG, HEAVIEST_KG = 10.0, 350.0


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """A person's zones and where they come from, for people."""

    basis: Basis
    hr_max: int
    hr_max_source: HRMaxSource
    formula: str | None
    """Of an estimated maximum."""
    hr_rest: int | None
    lower_bpm: tuple[float, ...]
    """Where zones 1 to 5 begin; a bound belongs to its zone."""


class InvalidProfileError(ValueError):
    """A profile that cannot be; its text names the field."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A person. None: unknown."""

    user_id: int
    user_name: str
    alias: str | None = None
    birth_year: int | None = None
    sex: Sex | None = None
    weight_kg: float | None = None
    hr_max_entered: int | None = None
    hr_max_learnt: int | None = None
    hr_rest: int | None = None
    hidden: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Profile":
        """The profile of a record (person_profile's fields; absent: unknown). Raises `InvalidProfileError`."""
        sex = fields.get("sex")
        if sex is not None and sex not in list(Sex):
            raise InvalidProfileError(f"sex: {sex[:40]!r} is neither of {', '.join(Sex)}")
        return cls(
            user_id=fields["user_id"],
            user_name=fields["user_name"],
            alias=fields.get("alias"),
            birth_year=fields.get("birth_year"),
            sex=None if sex is None else Sex(sex),
            weight_kg=fields.get("weight_kg"),
            hr_max_entered=fields.get("hr_max"),
            hr_max_learnt=fields.get("hr_max_learnt"),
            hr_rest=fields.get("hr_rest"),
            hidden=bool(fields.get("hidden")),
        )

    def fields(self) -> dict[str, Any]:
        """The fields of a record; `of` takes them."""
        return {
            "user_id": self.user_id,
            "user_name": self.user_name,
            "alias": self.alias,
            "birth_year": self.birth_year,
            "sex": self.sex,
            "weight_kg": self.weight_kg,
            "hr_max": self.hr_max_entered,
            "hr_max_learnt": self.hr_max_learnt,
            "hr_rest": self.hr_rest,
            "hidden": self.hidden,
        }

    def age(self, year: int) -> int | None:
        """Years, give or take one."""
        return None if self.birth_year is None else year - self.birth_year

    @property
    def shown_name(self) -> str:
        """The alias, else the name."""
        return self.alias or self.user_name

    def hr_max(self, year: int) -> HRMax | None:
        """The maximum heart rate to use in a year."""
        return hr_max(self.hr_max_entered, self.hr_max_learnt, self.birth_year, year)

    def zones(self, year: int) -> ZoneScale | None:
        """The zones to use in a year; None: the maximum heart rate is not known."""
        maximum = self.hr_max(year)
        return None if maximum is None else zone_scale(maximum.bpm, self.hr_rest)

    def zone_table(self, year: int) -> ZoneTable | None:
        """The zones to use in a year, and what they rest on; None: as above."""
        maximum, scale = self.hr_max(year), self.zones(year)
        if maximum is None or scale is None:
            return None
        formula = ESTIMATE if maximum.source is HRMaxSource.ESTIMATED else None
        return ZoneTable(scale.basis, maximum.bpm, maximum.source, formula, self.hr_rest, scale.lower_bpm)


def check_profile(profile: Profile, year: int) -> None:
    """Raise `InvalidProfileError` if a profile cannot be."""
    if not 1 <= profile.user_id <= LARGEST_USER_ID:
        raise InvalidProfileError(f"user_id: {profile.user_id}; people count from 1 to {LARGEST_USER_ID}")
    for field, text in (("user_name", profile.user_name), ("alias", profile.alias)):
        if text is not None and not 0 < len(text.strip()) <= LONGEST_NAME:
            raise InvalidProfileError(f"{field}: {text[:80]!r} is not a name of 1 to {LONGEST_NAME} characters")
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("birth_year", profile.birth_year, year - OLDEST, year - YOUNGEST),
        ("weight_kg", profile.weight_kg, LIGHTEST_KG, HEAVIEST_KG),
        ("hr_max", profile.hr_max_entered, LOWEST_HR_MAX, HIGHEST_HR_MAX),
        ("hr_max_learnt", profile.hr_max_learnt, LOWEST_HR_MAX, HIGHEST_HR_MAX),
        ("hr_rest", profile.hr_rest, LOWEST_HR_REST, HIGHEST_HR_REST),
    )
    for field, value, lowest, highest in ranges:
        if value is not None and not lowest <= value <= highest:
            raise InvalidProfileError(f"{field}: {value} is not from {lowest:g} to {highest:g}")
    maximum = profile.hr_max(year)
    if maximum is not None and profile.hr_rest is not None and profile.hr_rest >= maximum.bpm:
        raise InvalidProfileError(f"hr_rest: {profile.hr_rest} bpm is not below the maximum, {maximum.bpm} bpm")
