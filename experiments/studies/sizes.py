"""At which image sizes do the architectures keep flips, rotations and shifts? Computed, and measured size by size."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

import equinet as eq
from configs.sizes import MODELS, NETWORKS, PADDINGS, get_config
from equinet.train.drawing import BLACK, SKY, drawing
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.markdown import scientific, table
from experiments.plots import Look, handles
from experiments.summary import Records, by_network, in_words
from experiments.turning import Matrix, turned

TRAINED = False
SIZES = range(24, 121)
"""Measured one by one; rules are computed from more."""
COMPUTED = range(24, 153)
FLIP: Matrix = ((-1, 0), (0, 1))
TURN: Matrix = ((0, -1), (1, 0))
QUESTIONS = {"flip": "m_x", "rotation": "4", "shift": "shifts by the total stride"}
TOLERANCE = 1e-3
"""Relative to how much outputs differ from image to image; how far either side stays from it is on the page."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for network in NETWORKS:
        yield network, get_config(network)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """For each question the sizes at which the answer is yes, computed and measured, and the computed rule."""
    net = outcome.net
    boundary: Literal["box", "torus"] = "box" if run.name.endswith("zero") else "torus"
    stride = eq.certify(net, eq.plane(2), channels=1).strict.lattice.basis[0][0]
    errors = {size: _measured(net, size, stride) for size in SIZES}
    ran = {size: error for size, error in errors.items() if error is not None}
    asked = [error[question] for error in ran.values() for question in QUESTIONS]
    answers: dict[str, Any] = {}
    for question in QUESTIONS:
        if question == "shift" and boundary == "box":
            continue
        legal = _legal(net, question, stride, boundary)
        answers[question] = {
            "rule": legal.congruence if legal.start <= SIZES.start else str(legal).split(":")[0],
            "computed": [n for n in legal.sizes if n in SIZES],
            "measured": [n for n, error in ran.items() if error[question] <= TOLERANCE],
        }
    return {
        "network": run.name,
        "stride": stride,
        "refused": [n for n in SIZES if n not in ran],
        "largest_yes": max((error for error in asked if error <= TOLERANCE), default=0.0),
        "least_no": min((error for error in asked if error > TOLERANCE), default=None),
        "questions": answers,
        "sizes": [SIZES.start, SIZES.stop - 1],
    }


def _legal(net: eq.Layer, question: str, stride: int, boundary: Literal["box", "torus"]) -> eq.LegalSizes:
    def holds(certificate: eq.Certificate) -> bool:
        size = certificate.domain.sizes[0] or 1
        group = certificate.strict if certificate.output.dim else certificate.invariance
        return all(g in group and _is_plain(certificate, g, size) for g in _moves(question, size, stride))

    return eq.legal_sizes(net, holds, COMPUTED, boundary, channels=1)


def _moves(question: str, size: int, stride: int) -> list[eq.Isometry]:
    """Generators of what a question asks for."""
    if question == "shift":
        return [eq.Isometry.translation(step) for step in ((stride, 0), (0, stride))]
    return [_about_centre(FLIP if question == "flip" else TURN, size)]


def _about_centre(matrix: Matrix, size: int) -> eq.Isometry:
    """A point operation about the centre of an image."""
    return eq.Isometry(matrix, tuple(size - 1 if sum(row) < 0 else 0 for row in matrix))


def _is_plain(certificate: eq.Certificate, g: eq.Isometry, size: int) -> bool:
    """Whether g moves an output map, if there is one, as it moves the image."""
    if not certificate.output.dim:
        return True
    there = certificate.output
    return there.sizes == (size, size) and bool((there.index_map(certificate.action(g)) == there.index_map(g)).all())


@jax.default_matmul_precision("highest")
def _measured(net: eq.Layer, size: int, stride: int) -> dict[str, float] | None:
    """How far each question is from yes on random weights and images, relative to how much outputs differ; None where
    the network cannot run."""
    try:
        variables = net.init(jax.random.key(0), (size, size, 1))
    except eq.LayerError:
        return None
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    # Fresh biases are zero, which hides what they would show at a border. (Variances stay positive.)
    noise = (0.1 * jnp.abs(jax.random.normal(key, leaf.shape)) for key, leaf in zip(keys, leaves, strict=True))
    noisy = [leaf + more if leaf.ndim < 2 else leaf for leaf, more in zip(leaves, noise, strict=True)]
    x = np.random.default_rng(2).standard_normal((4, size, size, 1)).astype(np.float32)
    moved = {"flip": turned(x, FLIP), "rotation": turned(x, TURN), "shift": np.roll(x, stride, 1)}
    together = jnp.asarray(np.concatenate([x, *moved.values()]))
    # Every size is compiled anew and run once, so that optimising would be most of the work.
    apply = jax.jit(net.apply, compiler_options={"xla_backend_optimization_level": 0})
    y = np.asarray(apply(jax.tree.unflatten(tree, noisy), together), np.float64)
    plain, *others = np.split(y, 1 + len(moved))
    expected = {"flip": plain, "rotation": plain, "shift": plain}
    if y.ndim == 4:
        expected = {"flip": turned(plain, FLIP), "rotation": turned(plain, TURN), "shift": np.roll(plain, stride, 1)}
    scale = np.abs(plain - plain.mean(0)).max()
    return {name: float(np.abs(got - expected[name]).max() / scale) for name, got in zip(moved, others, strict=True)}


def tables(records: Records) -> dict[str, str]:
    networks = by_network(records)
    cells = [record["questions"][q] for record in records for q in record["questions"]]
    equal = sum(cell["computed"] == cell["measured"] for cell in cells)
    fewest = min(len(cell["measured"]) for cell in cells if cell["measured"])
    judged = [record for record in records if "least_no" in record]
    yes = scientific(max(record["largest_yes"] for record in judged))
    no = scientific(min(record["least_no"] for record in judged if record["least_no"] is not None))
    first, last = min(r["sizes"][0] for r in records), max(r["sizes"][1] for r in records)
    return {
        "agreement": f"{len(records)} networks, {len(cells)} questions, each measured at every size {_spans(records)}: "
        f"computed and measured sizes are the same for {equal} of them. Where the answer is ever yes, it was "
        f"measured to be yes at {in_words(fewest)} sizes or more, and no at all others that the network takes.",
        "separation": f"The largest difference of a yes is {yes}, the least of a no {no} of what outputs differ from "
        f"image to image ({len(judged)} networks).",
        "box": _rules(networks, "zero", ("flip", "rotation")),
        "torus": _rules(networks, "circular", tuple(QUESTIONS)),
        "caption": f"*Image sizes from {first} to {last} at which the answer is yes: computed (squares) and measured "
        f"on random weights (dots), {_spans(records)}. Nothing was trained; one draw of weights and images at each "
        "size.*",
    }


def _spans(records: Records) -> str:
    """From which to which size the networks were measured, and which ones where not all were alike."""
    found: dict[tuple[int, ...], list[str]] = {}
    for record in records:
        model = f"`{record['network'].split('-')[0]}`"
        names = found.setdefault(tuple(record["sizes"]), [])
        names += [model] * (model not in names)
    said = [(f"from {first} to {last}", ", ".join(names)) for (first, last), names in sorted(found.items())[::-1]]
    return " and ".join(span if len(said) == 1 else f"{span} ({names})" for span, names in said)


def _rules(networks: dict[str, list[dict[str, Any]]], padding: str, questions: Sequence[str]) -> str:
    rows = []
    for model in MODELS:
        for record in networks.get(f"{model}-{padding}", []):
            rules = [record["questions"][q]["rule"] for q in questions]
            rows.append([f"`{model}`", str(record["stride"]), *rules])
    return table(["network", "total stride", *questions], rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """A strip for each network and question: the sizes at which the answer is yes, a panel for each padding."""
    networks = by_network(records)
    first, last = min(r["sizes"][0] for r in records), max(r["sizes"][1] for r in records)
    path = folder / "sizes.png"
    looks: dict[str, Look] = {
        "computed": {"color": SKY, "marker": "s", "markersize": 4.5, "label": "computed"},
        "measured": {"color": BLACK, "marker": ".", "markersize": 3.5, "label": "measured"},
    }
    with drawing(path, 10.5, 6.5) as figure:
        for panel, padding in zip(figure.subplots(1, len(PADDINGS)), PADDINGS, strict=True):
            found = [
                (f"{model}: {question}", answer)
                for model in MODELS
                for record in networks.get(f"{model}-{padding}", [])
                for question, answer in record["questions"].items()
            ]
            for place, (_, answer) in enumerate(found):
                for kind, look in looks.items():
                    panel.plot(answer[kind], [place] * len(answer[kind]), linestyle="", **look)
            panel.set_yticks(range(len(found)), [name for name, _ in found], fontsize=8)
            panel.set_xticks(range(32, last + 1, 16))
            panel.set_xlim(first - 2, last + 2)
            panel.set_ylim(len(found) - 0.5, -0.5)
            panel.set_xlabel("image size, pixels")
            panel.set_title(f"{padding} padding, {'a bounded image' if padding == 'zero' else 'a torus'}")
        figure.legend(handles=handles(looks.values()), loc="outside upper right", ncols=2)
    return [path]
