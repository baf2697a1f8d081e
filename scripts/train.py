"""Train and evaluate the network of a config.

    python -m scripts.train --config=configs/fashion.py:aps --workdir=runs/aps
    python -m scripts.train --config=configs/fashion.py:max --workdir=runs/max --config.epochs=20 --config.seed=1
    python -m scripts.train --config=configs/fashion.py:max --workdir=/tmp/smoke --smoke

Any entry of the config can be set as --config.ENTRY=VALUE. The workdir gets `run.json`, `metrics.jsonl` and
`checkpoint/`.
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from equinet.runtime import tune_cpu
from experiments.train import train_and_evaluate
from scripts.command import run


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    config_flags.DEFINE_config_file("config", None, "The experiment: FILE.py or FILE.py:ARGUMENT, as in configs/.")
    flags.DEFINE_string("workdir", None, "The folder that the run's record, metrics and checkpoint go to.")
    flags.DEFINE_bool("smoke", False, "A run of seconds on 256 images and one epoch: does everything work?")
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")
    flags.mark_flags_as_required(["config", "workdir"])


def main() -> None:
    args = flags.FLAGS
    if args.tune_cpu:
        tune_cpu()
    config = args.config
    if args.smoke:
        config.smoke, config.epochs = True, 1
    outcome = train_and_evaluate(config, Path(args.workdir))
    print(f"test accuracy {outcome.accuracy}")
    print(f"circular consistency {outcome.consistency}")


if __name__ == "__main__":
    run(main, define_flags)
