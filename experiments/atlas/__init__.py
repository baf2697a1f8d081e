"""The symmetry of published architectures, read off their code."""
