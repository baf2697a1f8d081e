"""The studies: each module has `runs`, `measure`, `tables` and `figures`, see `equinet.train.study.Study`."""
