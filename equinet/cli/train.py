"""Train and evaluate the network of a config.

    equinet train --config=configs/fashion.py:aps --workdir=runs/aps
    equinet train --config=configs/fashion.py:max --workdir=runs/max --config.epochs=20 --config.seed=1
    equinet train --config=configs/fashion.py:max --workdir=/tmp/smoke --smoke
    equinet train --config=configs/fashion.py --workdir=runs --grid=config.model.down=max,aps --grid=config.seed=0,1,2

Any entry of the config can be set as --config.ENTRY=VALUE. The workdir gets `run.json`, `metrics.jsonl`, `checkpoints/`
and at the end `result.json`. The same command goes on where a run was cut off.

With --grid, every combination of the values is trained, in a folder of its own below the workdir, such as
`down=aps,seed=1`. Runs that are done are skipped, those that diverge are named at the end (status 1), and a table of
means and 95 % intervals over the seeds is printed, which `equinet table` prints again.

All devices of this host share the work. For several hosts, run the same command on each: under Slurm nothing need be
added, elsewhere --coordinator=HOST:PORT --processes=N --process=K, with a workdir that all of them can write.
"""

from absl import flags
from ml_collections import ConfigDict, config_flags

from equinet.cli.command import read_folder
from equinet.ops.cpu import tune_cpu
from equinet.train.devices import connect, is_main_process
from equinet.train.settings import Settings


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    config_flags.DEFINE_config_file("config", None, "The experiment: FILE.py or FILE.py:ARGUMENT, as in configs/.")
    flags.DEFINE_string("workdir", None, "The folder that the run's record, metrics and checkpoints go to.")
    flags.DEFINE_multi_string(
        "grid",
        [],
        "An entry of the config and its values, such as config.seed=0,1,2; may be given for several",
    )
    flags.DEFINE_bool("smoke", False, "A run of seconds on a few examples and one epoch: does everything work?")
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")
    flags.DEFINE_string("coordinator", None, "HOST:PORT of the first of several hosts.")
    flags.DEFINE_integer("processes", None, "How many processes there are, with --coordinator.", lower_bound=1)
    flags.DEFINE_integer("process", None, "The number of this process, from 0, with --coordinator.", lower_bound=0)


def main() -> None:
    args = flags.FLAGS
    if args.config is None:
        raise ValueError("say which experiment: --config=FILE.py, such as --config=configs/fashion.py:aps")
    if args.workdir is None:
        raise ValueError("say where the run goes: --workdir=FOLDER, such as --workdir=runs/mine")
    workdir = read_folder(args.workdir, "workdir")
    config = args.config.to_dict()
    Settings.of(config)
    config["smoke"] = config.get("smoke", False) or args.smoke
    if args.tune_cpu:
        tune_cpu()
    connect(args.coordinator, args.processes, args.process)
    # Only now: what it imports starts JAX, which must know the other hosts by then.
    if args.grid:
        from equinet.train.grid import grid, train_grid
        from equinet.train.table import read_table

        folders = train_grid(grid(ConfigDict(config), args.grid), workdir)
        if is_main_process():
            print(f"\n{read_table(folders)}")
        return
    from equinet.train.trainer import train_and_evaluate

    outcome = train_and_evaluate(config, workdir)
    if is_main_process():
        print(outcome.metrics)
