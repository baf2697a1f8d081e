"""Experiments as Python files: each has `get_config(arg)`, and its docstring says how to run it and what to expect."""
