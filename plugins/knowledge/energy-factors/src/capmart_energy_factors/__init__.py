"""Versioned energy conversion and emission factors (能源折标与碳排放因子), with source and year of each."""

from capmart_energy_factors.actions import EnergyFactors

__all__ = ["EnergyFactors"]
