"""What tests, the journey and the benchmarks share."""
