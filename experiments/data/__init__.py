"""Data sets by name, all with one interface: `load(name).train[0]["input"]`."""

from experiments.data.examples import Computed as Computed
from experiments.data.examples import Dataset as Dataset
from experiments.data.examples import Examples as Examples
from experiments.data.examples import InMemory as InMemory
from experiments.data.registry import DATASETS as DATASETS
from experiments.data.registry import load as load
