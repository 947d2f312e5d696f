"""The contracts of the benchmarks."""
