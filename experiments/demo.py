"""The comparison of `make demo`: what downsampling, padding and readout do to a trained network's symmetry."""

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp

import equinet as eq
from configs.fashion import NETWORKS, get_config
from equinet.train.data import load
from equinet.train.metrics import Share
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, train_and_evaluate

TITLES = {
    "stride": "strided FCN",
    "max": "max-pool CNN",
    "blur": "blur-pool CNN",
    "aps": "polyphase (APS) CNN",
    "max_zero": "max-pool CNN, zero padding",
    "stride_flatten": "strided FCN, flatten readout",
}
READOUTS = (eq.GlobalAvgPool, eq.GlobalMaxPool, eq.Flatten)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One trained network: the groups computed, the groups measured, and what they are worth.

    Attributes:
        name: a key of `configs.fashion.NETWORKS`.
        certificate: of the whole network, computed from its layers alone.
        trunk: the certificate up to the readout, where the output is still a map.
        found: the group of the trained trunk, searched for without a claim.
        sweep: the trained network under every shift, flip and rotation of the torus.
        outcome: the training run.
        shifts: classification of test images under every shift.
        seconds: training and measuring together.
    """

    name: str
    certificate: eq.Certificate
    trunk: eq.Certificate
    found: eq.Discovered
    sweep: eq.Report
    outcome: Outcome
    shifts: eq.Consistency
    seconds: float

    @property
    def accuracy(self) -> Share:
        return self.outcome.share("accuracy")

    @property
    def consistency(self) -> Share:
        return self.outcome.share("circular_consistency")

    @property
    def exactly(self) -> float:
        """The chance that two shifts, drawn independently, give one answer, from all shifts of some images."""
        if self.shifts.agreement is None:
            raise RuntimeError(f"{self.title} gives no answers")
        return self.shifts.agreement.value

    @property
    def title(self) -> str:
        return TITLES[self.name]

    @cached_property
    def measured_invariance(self) -> eq.SpaceGroup:
        """What the sweep found to leave the output alone.

        Raises:
            RuntimeError: the elements that hold are not closed under products, so some of them held by chance.
        """
        holding = [g for g, error in self.sweep.errors.items() if error <= self.sweep.tol]
        domain = self.sweep.domain
        group = eq.SpaceGroup.generate(domain.dim, holding, domain.periods)
        if group.order != len(holding):
            raise RuntimeError(f"{self.title}: {len(holding)} elements hold, the group they generate has {group.order}")
        return group

    @property
    def agrees(self) -> bool:
        """Whether both computed groups are the measured ones."""
        return self.trunk.strict == self.found.strict and self.certificate.invariance == self.measured_invariance


def run(
    workdir: Path,
    *,
    names: Sequence[str] = tuple(NETWORKS),
    seed: int = 0,
    epochs: int = 10,
    shifted_images: int = 100,
    smoke: bool = False,
    progress: bool = True,
    report: Callable[[str], None] = print,
) -> list[Finding]:
    """Train each network, compute its groups, and measure them on the trained weights.

    Args:
        workdir: every training run gets a folder of its own in here.
        names: which of `configs.fashion.NETWORKS`.
        seed: the same for every network.
        epochs: passes over the 10,000 training images.
        shifted_images: test images that are classified under every shift.
        smoke: a few small images and narrow networks.
        progress: whether training shows a progress bar.
        report: called with a line of text after each network.
    """
    size = 16 if smoke else Settings().size
    images, _ = load(size=size).test.take(8 if smoke else shifted_images).arrays()
    findings = []
    for name in names:
        started = time.perf_counter()
        config = get_config(name)
        config.update(size=size, seed=seed, epochs=1 if smoke else epochs, eval_epochs=0)
        config.update(smoke=smoke, progress=progress)
        if smoke:
            config.update(model={"features": (4, 4, 8, 8)})
        outcome = train_and_evaluate(config, workdir / name)
        findings.append(measure(name, outcome, jnp.asarray(images), seed, started))
        report(_line(findings[-1]))
    return findings


def measure(name: str, outcome: Outcome, images: jax.Array, seed: int, started: float) -> Finding:
    """Compute the groups of a trained network and measure them."""
    domain = eq.torus(*images.shape[1:3])
    trunk, trunk_variables = split_readout(outcome)
    certificate = eq.certify(outcome.net, domain, channels=1)
    key = jax.random.key(seed)
    return Finding(
        name=name,
        certificate=certificate,
        trunk=eq.certify(trunk, domain, channels=1),
        found=eq.discover(trunk.bind(trunk_variables), domain, key=key, progress=False),
        sweep=eq.verify(outcome.net.bind(outcome.variables), certificate, mode="sweep", key=key, progress=False),
        outcome=outcome,
        shifts=eq.consistency(outcome.net.bind(outcome.variables), images, eq.transforms.Circular(), progress=False),
        seconds=time.perf_counter() - started,
    )


def split_readout(outcome: Outcome) -> tuple[eq.Layer, dict[str, object]]:
    """The network up to its readout, with its share of the trained variables."""
    net, variables = outcome.net, outcome.variables
    if not isinstance(net, eq.Sequential):
        raise TypeError(f"expected a Sequential that ends in a readout, got {type(net).__name__}")
    end = next(i for i, layer in enumerate(net.layers) if isinstance(layer, READOUTS))
    rest = eq.Sequential(*net.layers[:end])
    return rest, {part: {key: tree[key] for key in rest.keys if key in tree} for part, tree in variables.items()}


def short(group: eq.SpaceGroup) -> str:
    """A group without what its translations already say: `8Z × 8Z (p1, index 64)` is `8Z × 8Z`."""
    return re.sub(r" \([^()]*(index|order)[^()]*\)$", "", str(group))


def invariance(group: eq.SpaceGroup) -> str:
    """What leaves an answer alone, in words."""
    return "invariant under no shift" if group.order == 1 else f"invariant under {short(group)}"


def _line(finding: Finding) -> str:
    same = "as computed" if finding.agrees else f"NOT the computed {short(finding.certificate.invariance)}"
    return (
        f"{finding.title}: {invariance(finding.measured_invariance)}, {same}; "
        f"accuracy {finding.accuracy.value:.1%}, consistency {finding.consistency.value:.1%}, "
        f"{finding.seconds:.0f} s"
    )
