"""What inference says of functions of published JAX packages, beside what brute force measures.

    python -m scripts.packages --site FOLDER

writes docs/studies/records/packages.jsonl and the table in docs/packages.md. The packages are in the folder, or
installed (`PINNED` says which versions). Each function is traced in double precision and run on all isometries of its
grid (`eq.discover`).
"""

# pyright: reportMissingImports=false

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import equinet as eq
from experiments import markdown

ROOT = Path(__file__).resolve().parent.parent
RECORDS, PAGE = ROOT / "docs" / "studies" / "records" / "packages.jsonl", ROOT / "docs" / "packages.md"
PINNED = {
    "exponax": "0.2.0",
    "pdequinox": "0.1.2",
    "jax-cfd": "0.2.1",
    "jaxpm": "0.1.6",
    "dm-pix": "0.4.5",
    "augmax": "0.4.1",
    "cax": "0.3.3",
}
LINE, SQUARE = eq.torus(8), eq.torus(8, 8)
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A function of `[batch, *spatial, channels]`."""

    package: str
    name: str
    fn: Function
    domain: eq.Domain
    channels: int
    dtype: Any = jnp.float64


def channels_first(fn: Function) -> Function:
    """A function of one example `[channels, *spatial]` for batches with channels last."""
    return lambda x: jnp.moveaxis(jax.vmap(fn)(jnp.moveaxis(x, -1, 1)), 1, -1)


def each(fn: Function) -> Function:
    """A function of one example for a batch."""
    return jax.vmap(fn)


def _exponax() -> Iterator[Case]:
    import exponax as ex

    for dim, domain in ((1, LINE), (2, SQUARE)):
        given = (dim, 3.0, 8, 0.1)
        kinds = {
            **dict.fromkeys(("Burgers", "KortewegDeVries", "KuramotoSivashinskyConservative"), dim),
            **dict.fromkeys(("Advection", "Diffusion", "AdvectionDiffusion", "Dispersion", "HyperDiffusion"), 1),
            **{"KuramotoSivashinsky": 1, "Wave": 2},
            **({"NavierStokesVorticity": 1, "KolmogorovFlowVorticity": 1} if dim == 2 else {}),
        }
        for name, channels in kinds.items():
            stepper = getattr(ex.stepper, name)(*given)
            yield Case("exponax", f"{name}, {dim}-D", channels_first(stepper), domain, channels)
        for order in (1, 2):
            derivative = lambda u, order=order: ex.derivative(u, 3.0, order=order)  # noqa: E731
            yield Case("exponax", f"derivative of order {order}, {dim}-D", channels_first(derivative), domain, 1)
        reaction = ex.stepper.reaction
        for name, channels in (
            ("FisherKPP", 1),
            ("AllenCahn", 1),
            ("CahnHilliard", 1),
            ("SwiftHohenberg", 1),
            ("GrayScott", 2),
        ):
            yield Case("exponax", f"{name}, {dim}-D", channels_first(getattr(reaction, name)(*given)), domain, channels)
    twice = ex.RepeatedStepper(ex.stepper.Diffusion(2, 3.0, 8, 0.1), 3)
    yield Case("exponax", "Diffusion, three steps, 2-D", channels_first(twice), SQUARE, 1)


def _pdequinox() -> Iterator[Case]:
    import pdequinox as pde

    key = jax.random.key(0)
    for dim, domain in ((1, LINE), (2, SQUARE)):
        sizes = {
            "ClassicResNet": {"hidden_channels": 3, "num_blocks": 1},
            "ConvNet": {"hidden_channels": 3, "depth": 2},
            "DilatedResNet": {"hidden_channels": 3, "num_blocks": 1},
            "ModernResNet": {"hidden_channels": 3, "num_blocks": 1},
            "ClassicUNet": {"hidden_channels": 4, "num_levels": 1},
            "ClassicFNO": {"hidden_channels": 3, "num_modes": 3, "num_blocks": 1},
        }
        for name, options in sizes.items():
            around = {} if "FNO" in name else {"boundary_mode": "periodic"}
            net = getattr(pde.arch, name)(dim, 1, 1, key=key, **options, **around)
            yield Case("pdequinox", f"{name}, {dim}-D", channels_first(net), domain, 1)


def _jax_cfd() -> Iterator[Case]:
    import jax_cfd.base as cfd

    grid = cfd.grids.Grid((8, 8), domain=((0, 8), (0, 8)))
    around = cfd.boundaries.periodic_boundary_conditions(2)

    def variable(array: Any, offset: tuple[float, float] = (0.5, 0.5)) -> Any:
        return cfd.grids.GridVariable(cfd.grids.GridArray(array, offset, grid), around)

    def velocity(x: Any) -> Any:
        return (variable(x[..., 0], (1.0, 0.5)), variable(x[..., 1], (0.5, 1.0)))

    def scalar(fn: Function) -> Function:
        return each(lambda x: fn(variable(x[..., 0])).data[..., None])

    def vector(fn: Function) -> Function:
        return each(lambda x: jnp.stack([part.data for part in fn(velocity(x))], -1))

    differences = cfd.finite_differences
    for name in ("laplacian",):
        yield Case("jax-cfd", name, scalar(getattr(differences, name)), SQUARE, 1)
    for name in ("forward_difference", "backward_difference", "central_difference"):
        one = lambda c, name=name: getattr(differences, name)(c, 0)  # noqa: E731
        yield Case("jax-cfd", name, scalar(one), SQUARE, 1)
    gradient = each(lambda x: jnp.stack([g.data for g in differences.forward_difference(variable(x[..., 0]))], -1))
    yield Case("jax-cfd", "gradient", gradient, SQUARE, 1)
    yield Case("jax-cfd", "divergence", each(lambda x: differences.divergence(velocity(x)).data[..., None]), SQUARE, 2)
    yield Case("jax-cfd", "curl_2d", each(lambda x: differences.curl_2d(velocity(x)).data[..., None]), SQUARE, 2)
    diffuse = lambda c: cfd.diffusion.diffuse(c, 0.1)  # noqa: E731
    yield Case("jax-cfd", "diffuse", scalar(diffuse), SQUARE, 1)
    for name in ("advect_linear", "advect_upwind", "advect_van_leer"):
        fn = lambda x, name=name: getattr(cfd.advection, name)(variable(x[..., 2]), velocity(x), 0.1).data[..., None]  # noqa: E731
        yield Case("jax-cfd", name, each(fn), SQUARE, 3)
    project = lambda v: [part.array for part in cfd.pressure.projection(v, cfd.pressure.solve_fast_diag)]  # noqa: E731
    yield Case("jax-cfd", "projection", vector(project), SQUARE, 2)
    step = cfd.equations.semi_implicit_navier_stokes(density=1.0, viscosity=0.1, dt=0.1, grid=grid)
    yield Case("jax-cfd", "semi_implicit_navier_stokes", vector(lambda v: [p.array for p in step(v)]), SQUARE, 2)


def _jaxpm() -> Iterator[Case]:
    from jaxpm import kernels

    def filtered(kernel: Callable[[Any], Any]) -> Function:
        def fn(x: Any) -> Any:
            spectrum = jnp.fft.fftn(x[..., 0])
            waves = kernels.fftk(spectrum)
            return jnp.fft.ifftn(spectrum * kernel(waves)).real[..., None]

        return each(fn)

    cube = eq.torus(4, 4, 4)
    yield Case("jaxpm", "invlaplace_kernel", filtered(kernels.invlaplace_kernel), cube, 1)
    yield Case("jaxpm", "gradient_kernel", filtered(lambda k: kernels.gradient_kernel(k, 0)), cube, 1)


def _dm_pix() -> Iterator[Case]:
    import dm_pix as pix

    key = jax.random.key(0)
    for name, fn in {
        "gaussian_blur": lambda x: pix.gaussian_blur(x, 1.0, 3, padding="VALID"),
        "flip_left_right": pix.flip_left_right,
        "flip_up_down": pix.flip_up_down,
        "rot90": pix.rot90,
        "space_to_depth": lambda x: pix.space_to_depth(x, 2),
        "rgb_to_hsv": pix.rgb_to_hsv,
        "rgb_to_hsl": pix.rgb_to_hsl,
        "rgb_to_grayscale": pix.rgb_to_grayscale,
        "adjust_contrast": lambda x: pix.adjust_contrast(x, 1.3),
        "adjust_hue": lambda x: pix.adjust_hue(x, 0.1),
        "solarize": lambda x: pix.solarize(x, 0.5),
        "random_brightness": lambda x: pix.random_brightness(key, x, 0.3),
        "random_flip_left_right": lambda x: pix.random_flip_left_right(key, x),
        "center_crop": lambda x: pix.center_crop(x, 4, 4),
        "rotate by 0.3": lambda x: pix.rotate(x, 0.3, mode="nearest"),
        "ssim with its mirror image": lambda x: pix.ssim(x, x[:, ::-1], filter_size=3)[None],
        "psnr with its mirror image": lambda x: pix.psnr(x, x[:, ::-1])[None],
    }.items():
        yield Case("dm-pix", name, each(fn), SQUARE, 3, jnp.float32)


def _augmax() -> Iterator[Case]:
    import augmax

    key = jax.random.key(1)
    kinds = {
        "HorizontalFlip": augmax.HorizontalFlip(p=1.0),
        "VerticalFlip": augmax.VerticalFlip(p=1.0),
        "Rotate90": augmax.Rotate90(),
        "RandomBrightness": augmax.RandomBrightness(),
        "RandomContrast": augmax.RandomContrast(p=1.0),
        "ColorJitter": augmax.ColorJitter(p=1.0),
        "Solarization": augmax.Solarization(p=1.0),
        "Normalize": augmax.Normalize(),
        "ChannelShuffle": augmax.ChannelShuffle(p=1.0),
        "Rotate": augmax.Rotate(20, p=1.0),
        "GridShuffle": augmax.GridShuffle(grid_size=(2, 2), p=1.0),
    }
    for name, transform in kinds.items():
        chain = augmax.Chain(transform)
        yield Case("augmax", name, each(lambda x, chain=chain: chain(key, x)), SQUARE, 3, jnp.float32)


def _cax() -> Iterator[Case]:
    from cax.core.perceive.moore_perceive import MoorePerceive
    from cax.core.perceive.von_neumann_perceive import VonNeumannPerceive

    for radius in (1, 2):
        for kind in (MoorePerceive, VonNeumannPerceive):
            perceive = kind(num_spatial_dims=2, radius=radius)
            yield Case("cax", f"{kind.__name__}, radius {radius}", each(perceive), SQUARE, 1)


PACKAGES = (_exponax, _pdequinox, _jax_cfd, _jaxpm, _dm_pix, _augmax, _cax)


def cases() -> Iterator[Case]:
    """All functions of the packages that there are; what is missing is said."""
    for package in PACKAGES:
        try:
            yield from package()
        except ImportError as error:
            print(f"{package.__name__[1:]}: {error}", file=sys.stderr)


def judged(case: Case) -> dict[str, Any]:
    """A row of the table: what is claimed, what is measured, and which of the two is less.

    Raises:
        FloatingPointError: if the function gives NaN.
    """
    with jax.enable_x64(True):
        claim = eq.infer(case.fn, case.domain, case.channels, dtype=case.dtype)
        wanted = claim.output if claim.output.dim else None
        found = eq.discover(
            case.fn, case.domain, key=0, channels=case.channels, output=wanted, dtype=case.dtype, progress=False
        )
    claimed, measured = claim.strict, found.strict
    verdict = "tight" if claimed == measured else "loose" if claimed <= measured else "UNSOUND"
    losses = [f"{row.layer}: {row.reason}" for row in claim.ledger if row.reason]
    return {
        "package": case.package,
        "version": PINNED[case.package],
        "function": case.name,
        "domain": str(case.domain),
        "claimed": str(claimed),
        "measured": str(measured),
        "verdict": verdict,
        "reason": losses[-1] if verdict == "loose" and losses else "",
    }


def table(records: list[dict[str, Any]]) -> str:
    """The page."""
    counts = Counter(record["verdict"] for record in records)
    tight, loose, wrong = (counts[verdict] for verdict in ("tight", "loose", "UNSOUND"))
    lines = [
        "# Functions of published packages",
        "",
        "What `infer` says of functions that nobody wrote for it, and what a run over the isometries of a small torus",
        "shows. The table is made by `python -m scripts.packages`, from the packages themselves:",
        ", ".join(f"{name} {version}" for name, version in PINNED.items()) + ".",
        "",
        f"Of {len(records)} claims {tight} are tight, {loose} are loose and {wrong} are wrong.",
        "The [last table](#what-is-not-understood) says which line of a loose one is not understood.",
        "",
    ]
    keys = ("package", "function", "domain", "claimed", "measured", "verdict")
    head = ["package", "function", "grid", "claimed", "measured", "verdict"]
    every = markdown.table(head, [[record[key] for key in keys] for record in records])
    reasons = [[record["package"], record["function"], *_line_and_reason(record["reason"])] for record in records]
    not_tight = markdown.table(["package", "function", "line", "why"], [row for row in reasons if row[2]])
    return "\n".join([*lines, every, "", "## What is not understood", "", not_tight]) + "\n"


def _line_and_reason(reason: str) -> tuple[str, str]:
    """The line that is not understood, as code, and why.

    >>> _line_and_reason("gather  a.py:3 (f): elements are picked by position")
    ('`gather  a.py:3 (f)`', 'elements are picked by position')
    """
    line, _, why = reason.partition(": ")
    return (f"`{line}`", why) if line else ("", "")


def main() -> None:
    """Judge all, write the records and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", help="a folder that the packages are installed in")
    site = parser.parse_args().site
    if site:
        sys.path.insert(0, site)
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_x64", True)
    records = []
    for case in cases():
        records.append(judged(case))
        print("{verdict:8}{package:10}{function:40}{claimed:36}{measured}".format(**records[-1]), flush=True)
    RECORDS.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    PAGE.write_text(table(records), encoding="utf-8")


if __name__ == "__main__":
    main()
