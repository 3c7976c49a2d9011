"""What the benchmarks of several kinds share."""
