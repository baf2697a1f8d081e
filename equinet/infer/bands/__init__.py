"""The frequencies of a program's arrays along one axis of a torus, and so the real shifts that it keeps."""
