"""What the benchmarks share: data, contenders as subprocesses, tables."""
