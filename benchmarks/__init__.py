"""Commands that measure what docs/benchmarks.md states; each writes benchmarks/results/NAME.json through `record`."""
