"""The table of the benchmarks."""
