"""Training: configs, data sets, an optimiser, checkpoints that resume bit for bit, records of what was run.

It needs the extra `train` (`pip install 'equinet-jax[train]'`). `equinet` does not import it.
"""
