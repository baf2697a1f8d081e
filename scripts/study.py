"""Run a study, or make its tables and figures from the records that are kept.

    python -m scripts.study --study=fcn_vs_maxpool --workdir=runs/fcn_vs_maxpool
    python -m scripts.study --study=fcn_vs_maxpool --workdir=runs/some --only='circular-gap-0$'
    python -m scripts.study --study=volume --workdir=runs/volume --only=max_mirror --keep
    python -m scripts.study --tables
    python -m scripts.study --linear
    python -m scripts.study --check

A study that was cut off goes on with the same command: runs that are done are skipped. At the end its records go to
docs/studies/records, and its page and figures are made anew from them; records that are kept of other runs stay. With
--smoke nothing in docs changes, with --only nothing unless --keep is said as well. --linear fits the linear baselines
that accuracies are compared with, once for all studies. --check ends with status 1 if a page is not what the records
give.
"""

from absl import flags

from equinet.cli.command import check_pattern, read_folder, run
from equinet.ops.cpu import tune_cpu
from equinet.train.record import write_text
from experiments.linear import keep_baselines
from experiments.study import DOCS, STUDIES, keep_records, kept_records, load_study, pages, run_study


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_enum("study", None, STUDIES, "The study to run.")
    flags.DEFINE_string("workdir", None, "The folder that its runs go to.")
    flags.DEFINE_string("only", "", "A regular expression: only the runs whose name it matches.")
    flags.DEFINE_bool("keep", False, "With --only too, put the records beside those that are kept of other runs.")
    flags.DEFINE_bool("smoke", False, "A few examples and one epoch for each run: does everything work?")
    flags.DEFINE_bool("tables", False, "Make the tables and figures of all pages from the kept records.")
    flags.DEFINE_bool("linear", False, "Fit the linear baselines anew, and make all pages with them.")
    flags.DEFINE_bool("check", False, "Fail unless the tables of all pages are what the kept records give.")


def main() -> None:
    args = flags.FLAGS
    if args.check and (args.tables or args.linear):
        raise ValueError("--check compares the pages with the records, --tables and --linear make them anew: say one")
    if (args.check or args.tables or args.linear) and args.study:
        raise ValueError(
            f"--check, --tables and --linear are about the pages of all studies: leave out --study={args.study}"
        )
    if args.check:
        odd = [str(path) for path, text, made in pages() if text != made]
        if odd:
            raise RuntimeError(f"not what the records give: {', '.join(odd)}; python -m scripts.study --tables")
        return
    if args.linear:
        keep_baselines()
    if args.linear or args.tables:
        make_pages()
        return
    if not args.study or not args.workdir:
        raise ValueError("name --study and --workdir, or say --tables, --linear or --check; --help lists all flags")
    check_pattern(args.only, "only")
    workdir = read_folder(args.workdir, "workdir")
    tune_cpu()
    records = run_study(args.study, workdir, only=args.only, smoke=args.smoke)
    print(f"{len(records)} runs are done")
    if (args.keep or not args.only) and not args.smoke:
        print(keep_records(args.study, records))
        make_pages()


def make_pages() -> None:
    """Write every page and its figures from the kept records."""
    for path, _, made in pages():
        write_text(path, made)
        print(path)
        for figure in load_study(path.stem).figures(kept_records(path.stem), DOCS / "figures"):
            print(figure)


if __name__ == "__main__":
    run(main, define_flags)
