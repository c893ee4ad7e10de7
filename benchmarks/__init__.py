"""Commands that measure what docs/benchmarks.md states; each leaves a file in benchmarks/results."""
