"""Tests, the journey and the benchmarks. Nothing here is installed."""
