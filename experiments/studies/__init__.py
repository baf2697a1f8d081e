"""The studies: each module has `runs`, `measure`, `tables` and `figures`, see `experiments.study.Study`."""
