"""The receiver of the benchmarks."""
