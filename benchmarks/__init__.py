"""Measurements of a running miniplane, each beside a calibration that any machine can repeat (docs/benchmarks.md)."""
