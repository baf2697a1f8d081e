"""Run a study of one's own: a list of runs, what is measured on each, and the tables made of all.

    equinet study my_study.py --list
    equinet study my_study.py --workdir=runs/mine
    equinet study my_study.py --workdir=runs/mine --only='aps' --smoke
    equinet study my_study.py --workdir=runs/mine --tables --page=results.md --figures=figures

A study is a file or module with a function runs() that gives names and configs; measure(run, outcome), tables(records)
and figures(records, folder) are optional. Runs that are done are skipped. Its tables are printed, or put into a page of
Markdown between <!-- NAME --> and <!-- end -->.
"""

from pathlib import Path

from absl import flags

from equinet.cli.command import check_pattern, read_folder
from equinet.names import guarded
from equinet.ops.cpu import tune_cpu
from equinet.train.record import write_text
from equinet.train.study import RECORD, done_records, fill_page, read_study, run_study
from equinet.train.table import read_table


def define_run_flags() -> None:
    """Which runs, and where they go."""
    flags.DEFINE_string("workdir", None, "The folder that its runs go to.")
    flags.DEFINE_string("only", "", "A regular expression: only the runs whose name it matches.")
    flags.DEFINE_bool("smoke", False, "A few examples and one epoch for each run: does everything work?")


def define_flags() -> str:
    """The command line; what stands on it without a flag is the study."""
    flags.DEFINE_multi_string("study", [], "FILE.py or package.module; may be given without --study=")
    define_run_flags()
    flags.DEFINE_bool("list", False, "List the runs, and with --workdir which are done; train nothing.")
    flags.DEFINE_bool("tables", False, "Train nothing: make the tables of the runs that are done.")
    flags.DEFINE_string("page", None, "Put the tables into this page instead of printing them.")
    flags.DEFINE_string("figures", None, "Draw the figures into this folder.")
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")
    return "study"


def main() -> None:
    args = flags.FLAGS
    if len(args.study) != 1:
        given = f"got {' and '.join(args.study)}" if args.study else "got none"
        raise ValueError(f"name one study, such as: equinet study my_study.py --workdir=runs/mine; {given}")
    check_pattern(args.only, "only")
    if args.workdir is None and not args.list:
        raise ValueError("say where the runs go: --workdir=runs/mine; --list lists them")
    workdir = None if args.workdir is None else read_folder(args.workdir, "workdir")
    figures = None if args.figures is None else read_folder(args.figures, "figures")
    page = None if args.page is None else Path(args.page)
    if page is not None and not page.is_file():
        raise ValueError(f"--page={page}: there is no such file; write it, with <!-- NAME --> and <!-- end --> in it")
    study = read_study(args.study[0])
    if args.list or workdir is None:
        for run, _ in study.wanted(args.only):
            done = workdir is not None and (workdir / run / RECORD).exists()
            print(f"{run}{'  done' if done else ''}")
        return
    if args.tables:
        records = done_records(study, workdir, only=args.only, smoke=args.smoke)
    else:
        if args.tune_cpu:
            tune_cpu()
        records = run_study(study, workdir, only=args.only, smoke=args.smoke)
    tables = guarded(f"{study.name}: tables", lambda: study.tables(records))
    if page is not None:
        write_text(page, fill_page(page.read_text(encoding="utf-8"), tables))
        print(page)
    elif tables:
        print("\n\n".join(text.strip() for text in tables.values()))
    elif study.trained:
        print(read_table([workdir / record["run"] for record in records]))
    if figures is not None:
        for path in guarded(f"{study.name}: figures", lambda: study.figures(records, figures)):
            print(path)
