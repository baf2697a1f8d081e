"""Data sets by name, all with one interface: `load(name).train[0]["input"]`."""

from equinet.train.data.examples import Computed as Computed
from equinet.train.data.examples import Dataset as Dataset
from equinet.train.data.examples import Examples as Examples
from equinet.train.data.examples import InMemory as InMemory
from equinet.train.data.registry import DATASETS as DATASETS
from equinet.train.data.registry import load as load
from equinet.train.data.registry import register_dataset as register_dataset
