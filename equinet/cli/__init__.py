"""The command `equinet`: `equinet query`, `suggest` and `sweep` ask about a network; `scripts/` call the same code."""
