"""Run a study of this repository, or make its tables and figures from the records that are kept.

    python -m scripts.study --study=fcn_vs_maxpool --workdir=runs/fcn_vs_maxpool
    python -m scripts.study --study=fcn_vs_maxpool --workdir=runs/some --only='circular-gap-0$'
    python -m scripts.study --study=volume --workdir=runs/volume --only=max_mirror --write
    python -m scripts.study --study=why --workdir=runs/again --only='circular-mean-none-0$' --compare
    python -m scripts.study --write
    python -m scripts.study --linear --write
    python -m scripts.study --check
    python -m scripts.study --study=why --check

A study that was cut off goes on with the same command: runs that are done are skipped. Nothing in docs changes unless
--write is said. Then the records of the runs go to docs/studies/records, where those of other runs stay, and all pages
and figures are made anew from the records. --linear fits the linear baselines that accuracies are compared with, once
for all studies. --compare shows runs that were made again beside those that are kept, and ends with status 1 if one
lies outside of the 95 % interval that the other seeds of its setting give for one more (all intervals together).
--check ends with status 1 if a page is not what the records give; with --study, that of one study.
"""

from absl import flags

from equinet.cli.command import check_pattern, read_folder, run
from equinet.cli.study import define_run_flags
from equinet.ops.cpu import tune_cpu
from equinet.train.record import write_text
from equinet.train.study import run_study
from experiments.again import compared
from experiments.linear import keep_baselines
from experiments.study import DOCS, STUDIES, keep_records, kept_records, load_study, pages


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_enum("study", None, STUDIES, "The study to run.")
    define_run_flags()
    flags.DEFINE_bool("write", False, "Put the records of --study, and all pages and figures, into docs/studies.")
    flags.DEFINE_bool("compare", False, "Fail unless the runs of --workdir are as the kept records of --study say.")
    flags.DEFINE_bool("linear", False, "With --write: fit the linear baselines anew before the pages are made.")
    flags.DEFINE_bool(
        "check", False, "Fail unless the tables of all pages, or of --study's, are what the kept records give."
    )


def main() -> None:
    args = flags.FLAGS
    if args.check and (args.write or args.linear):
        raise ValueError("--check compares the pages with the records, --write makes them anew: say one")
    if args.linear and args.study:
        raise ValueError(f"--linear is about the pages of all studies: leave out --study={args.study}")
    if args.linear and not args.write:
        raise ValueError("--linear fits baselines for the pages, which change: say --write too")
    if args.compare and (args.write or not args.study):
        raise ValueError("--compare is about the runs of --study in --workdir, and changes nothing: leave out --write")
    if args.write and args.smoke:
        raise ValueError("--smoke tries things out: its records are not for the pages, so leave out --write")
    if args.check:
        odd = [str(path) for path, text, made in pages() if text != made and args.study in (None, path.stem)]
        if odd:
            raise RuntimeError(f"not what the records give: {', '.join(odd)}; python -m scripts.study --write")
        return
    if args.study or args.workdir:
        if not args.study or not args.workdir:
            raise ValueError("name --study and --workdir, or say --write, or --check; --help lists all flags")
        check_pattern(args.only, "only")
        workdir = read_folder(args.workdir, "workdir")
        tune_cpu()
        records = run_study(load_study(args.study), workdir, only=args.only, smoke=args.smoke)
        hint = "" if args.write or args.compare else "; --write puts them into docs/studies"
        print(f"{len(records)} runs are done{hint}")
        if args.write:
            print(keep_records(args.study, records))
        if args.compare:
            shown, outside = compared(records, kept_records(args.study))
            print(shown)
            if outside:
                raise RuntimeError(f"not as the other seeds say: {', '.join(outside)}")
    elif not args.write:
        raise ValueError("name --study and --workdir, or say --write, or --check; --help lists all flags")
    if args.linear:
        keep_baselines()
    if args.write:
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
