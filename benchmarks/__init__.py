"""Benchmarks: each a script that prints a table and writes json; ratios against a peer measured in the same run."""
