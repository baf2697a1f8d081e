"""Six networks, trained on real images: the symmetry computed, measured, and what it is worth.

    make demo
    python -m scripts.demo --workdir=runs/demo --epochs=10 --seed=0

Prints a table and writes `report.md`, two figures, `results.json` and a folder for every network into the workdir.
Ends with status 1 if a computed group is not the measured one.
"""

import time

from absl import flags
from rich.console import Console

from equinet.cli.command import read_folder, run
from equinet.ops.cpu import tune_cpu
from equinet.train.record import run_record
from equinet.train.settings import MOST_SEED
from experiments.demo import run as run_demo
from experiments.figures import draw_planes, draw_shares
from experiments.report import terminal_table, write_report


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_string("workdir", "runs/demo", "The folder that the report, the figures and the runs go to.")
    flags.DEFINE_integer(
        "seed",
        0,
        "Seed of weights, data order and shifts, the same for every network.",
        lower_bound=0,
        upper_bound=MOST_SEED,
    )
    flags.DEFINE_integer("epochs", 10, "Passes over the 10,000 training images.", lower_bound=1, upper_bound=10_000)
    flags.DEFINE_integer(
        "shifted_images", 100, "Test images classified under every shift.", lower_bound=1, upper_bound=2000
    )
    flags.DEFINE_bool("smoke", False, "A run of seconds on a few images: does everything work?")
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")


def main() -> None:
    args = flags.FLAGS
    workdir = read_folder(args.workdir, "workdir")
    started = time.perf_counter()
    if args.tune_cpu:
        tune_cpu()
    console = Console()
    console = console if console.is_terminal else Console(width=80)
    choices = {"seed": args.seed, "epochs": args.epochs, "shifted_images": args.shifted_images, "smoke": args.smoke}
    findings = run_demo(workdir, **choices, progress=console.is_terminal, report=console.print)
    figures = [draw_planes(findings, workdir / "shift_planes.png"), draw_shares(findings, workdir / "shares.png")]
    command = f"python -m scripts.demo --seed={args.seed} --epochs={args.epochs}"
    record = run_record(choices, command=command, seconds=round(time.perf_counter() - started, 1))
    path = write_report(workdir, findings, figures, record)
    console.print(terminal_table(findings))
    console.print(f"{record['seconds']:.0f} s; report and figures: {path}")
    wrong = [finding.title for finding in findings if not finding.agrees]
    if wrong:
        raise RuntimeError(f"the computed group is not the measured one for: {', '.join(wrong)}")


if __name__ == "__main__":
    run(main, define_flags)
