"""Finished runs side by side: means and 95 % intervals over the seeds, learning curves.

    equinet table runs/*
    equinet table runs/* --metrics=accuracy,circular_consistency --plot=curves.png
    equinet table runs/* --csv > runs.csv

Runs that differ in their seed only are taken together; the columns are the settings in which the others differ.
Intervals are Student's t, of the mean over seeds. What is no finished run is named in a line and left out. Ends with
status 2 where no run is finished.
"""

import csv
import sys
from pathlib import Path

from absl import flags

from equinet.cli.output import check_figure, define_json_flags, print_json, schema
from equinet.train.table import Table, read_table


def define_flags() -> str:
    """The command line; what stands on it without a flag are runs."""
    flags.DEFINE_multi_string("run", [], "The folder of a run; may be given without --run=, and as often as you like")
    flags.DEFINE_list("metrics", [], "Those to show, in this order; all by default.")
    flags.DEFINE_string("plot", None, "Draw the learning curves to this file.")
    flags.DEFINE_bool("csv", False, "Print rows for a data frame instead: one for each metric of each group of runs.")
    define_json_flags()
    return "run"


def main() -> int:
    args = flags.FLAGS
    if args.schema:
        print_json(schema("table"))
        return 0
    if args.csv and args.json:
        raise ValueError("--csv and --json are two ways to print: say one")
    if not args.run:
        raise ValueError("name the folders of the runs: equinet table runs/*")
    if args.plot is not None:
        check_figure(args.plot, "plot")
    found = read_table(map(Path, args.run), args.metrics)
    for folder, why in found.left_out:
        print(f"left out {folder}: {why}", file=sys.stderr)
    if args.json:
        print_json(found.as_dict())
    elif args.csv:
        print_csv(found)
    else:
        print(found)
    if args.plot is not None:
        from equinet.train.curves import draw_curves

        draw_curves(found, Path(args.plot))
    return 0


def print_csv(found: Table) -> None:
    rows = found.records()
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
