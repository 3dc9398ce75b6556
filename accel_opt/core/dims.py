"""Parameter dimensions: what values a parameter takes and which way is faster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from accel_opt.core.errors import InputError

Number = int | float
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, both included, in steps of `step`.

    Attributes:
        low: Smallest value.
        high: Largest value.
        step: Distance between neighbouring values, at least 1.
        faster: "up" when greater values are faster and harm quality more, else "down".
        meaning: One line for tables and documentation.
    """

    low: int
    high: int
    step: int = 1
    faster: Direction = "up"
    meaning: str = ""

    def __post_init__(self) -> None:
        if self.step < 1 or self.low > self.high:
            raise InputError(
                f"range {self.low}:{self.high}:{self.step} is empty; "
                "give low <= high and a step of at least 1, such as 2:5:1"
            )

    def values(self) -> tuple[int, ...]:
        """All values, ascending."""
        return tuple(range(self.low, self.high + 1, self.step))

    def gently_first(self) -> tuple[int, ...]:
        """All values from the mild end (slow, faithful) to the harsh one."""
        return self.values() if self.faster == "up" else self.values()[::-1]

    def parse(self, value: object) -> int:
        """Returns `value` as this dimension's type.

        Raises:
            InputError: It is no whole number. Values outside the range are not refused here:
                a range says what is searched, the plugin says what is possible.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise InputError(f"{value!r} is not a whole number")
        return int(value)

    def narrowed(self, low: Number, high: Number, step: Number | None = None) -> Int:
        """The same dimension over another range."""
        return replace(
            self,
            low=self.parse(low),
            high=self.parse(high),
            step=self.step if step is None else self.parse(step),
        )


@dataclass(frozen=True)
class Float:
    """Numbers from `low` to `high` in steps of `step`, both ends included.

    Attributes:
        low: Smallest value.
        high: Largest value that may be reached.
        step: Distance between neighbouring values, above 0.
        faster: "up" when greater values are faster and harm quality more, else "down".
        meaning: One line for tables and documentation.
    """

    low: float
    high: float
    step: float
    faster: Direction = "up"
    meaning: str = ""

    def __post_init__(self) -> None:
        if not self.step > 0 or not self.low <= self.high:
            raise InputError(
                f"range {self.low}:{self.high}:{self.step} is empty; "
                "give low <= high and a step above 0, such as 0.1:0.9:0.1"
            )

    def values(self) -> tuple[float, ...]:
        """All values, ascending, free of binary dust (0.3, not 0.30000000000000004)."""
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(round(self.low + i * self.step, 10) for i in range(count))

    def gently_first(self) -> tuple[float, ...]:
        """All values from the mild end (slow, faithful) to the harsh one."""
        return self.values() if self.faster == "up" else self.values()[::-1]

    def parse(self, value: object) -> float:
        """Returns `value` as a finite float.

        Raises:
            InputError: It is no finite number.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{value!r} is not a number")
        if not abs(value) < float("inf"):
            raise InputError(f"{value!r} is not a finite number")
        return float(value)

    def narrowed(self, low: Number, high: Number, step: Number | None = None) -> Float:
        """The same dimension over another range."""
        return replace(
            self,
            low=self.parse(low),
            high=self.parse(high),
            step=self.step if step is None else self.parse(step),
        )


Dim = Int | Float
