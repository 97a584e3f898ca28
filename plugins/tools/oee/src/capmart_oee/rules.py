"""The indicators themselves.

ISO 22400-2:2014 defines them for a work unit, with these elements: planned busy time (PBT), actual production time
(APT), planned run time per item (PRI), produced quantity (PQ) and good quantity (GQ)::

    availability  = APT / PBT
    effectiveness = PRI × PQ / APT
    quality ratio = GQ / PQ
    OEE index     = availability × effectiveness × quality ratio

What the standard calls effectiveness is called performance in TPM and on most shop floors; the fields use that word.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class Elements:
    """What was measured, summable: over shifts and machines each element is the sum of theirs.

    Attributes:
        planned: planned busy time, PBT, in minutes.
        actual: actual production time, APT, in minutes.
        ideal: PRI × PQ, the time the produced quantity should have taken, in minutes.
        produced: produced quantity, PQ.
        good: good quantity, GQ.
        ideal_good: PRI × GQ, the time the good quantity should have taken, in minutes.
    """

    planned: float
    actual: float
    ideal: float
    produced: int
    good: int
    ideal_good: float

    def __add__(self, other: Elements) -> Elements:
        return Elements(
            self.planned + other.planned,
            self.actual + other.actual,
            self.ideal + other.ideal,
            self.produced + other.produced,
            self.good + other.good,
            self.ideal_good + other.ideal_good,
        )

    @property
    def availability(self) -> float:
        """APT / PBT."""
        return self.actual / self.planned

    @property
    def performance(self) -> float:
        """PRI × PQ / APT; 0 when nothing ran."""
        return self.ideal / self.actual if self.actual else 0.0

    @property
    def quality(self) -> float:
        """GQ / PQ; 0 when nothing was produced. Over several items each counts with the time it should have taken."""
        return self.ideal_good / self.ideal if self.ideal else 0.0

    @property
    def oee(self) -> float:
        """The product of the three, which is the share of the planned time that made good pieces at full speed."""
        return self.availability * self.performance * self.quality


def elements(planned: float, actual: float, cycle_s: float, produced: int, good: int) -> Elements:
    """The elements of one work unit over one period; times in minutes, ``cycle_s`` in seconds per item."""
    cycle = cycle_s / SECONDS_PER_MINUTE
    return Elements(planned, actual, cycle * produced, produced, good, cycle * good)
