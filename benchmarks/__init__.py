"""Benchmarks of sklearn_cmmd; ``python -m benchmarks`` lists them."""
