"""A function under measurement: its inputs, reference outputs, noise floor and tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equinet.groups import Isometry
from equinet.verify.gauge import Channel, Gauge, Hidden, resolution
from equinet.verify.inputs import Inputs
from equinet.verify.program import Bank
from equinet.verify.runner import Job, Runner


@dataclass(frozen=True, eq=False)
class Probe:
    """Evaluates a function on transformed random inputs, in chunks through one compiled step.

    The *bank* holds `trials` batches. Up to half of their examples, the last ones, are few-valued, large, sparse, of
    one sign, or tied between polyphase components; the others standard normal (see `inputs`; or all are the user's).
    Those on which the function is not finite are replaced by normal ones. For each example there is a copy with every
    entry moved by one unit in the last place.

    Errors are measured channel by channel, real and imaginary parts apart. The *variation* of a channel is the largest
    deviation of an entry from the channel's mean on normal inputs, and on an input of another kind also its deviation
    there. So an error of 1 is as large as what the inputs change.

    The *noise* of a channel needs no claim. It is the larger of: the response to the perturbed copies (the third
    quartile over the examples that respond, so that one flip of a near tie in a data-dependent layer does not count),
    and ε of the channel's magnitude. The first is the condition of f times ε, which is what another order of summation
    costs; a function that cancels large values inside itself, unseen in its input and output, may need float64 or
    `tol`. Noise over variation is the channel's *floor*, and its tolerance the geometric mean of the floor and
    `BREAKING` = 1e-3, as far from rounding as from breaking, at least `HEADROOM` = 4 times the floor: about 1e-9 in
    float64, where nine orders lie between, and 1e-5 in float32.

    No tolerance may exceed `BREAKING` (or `COARSE` = 64 units in the last place: more, in bfloat16 and float16). A
    channel whose floor would need more is *hidden*: of what is not broken beyond its noise nothing can be told. All
    others share the largest of their tolerances. A channel that is constant up to `STILL` = 4 units in the last place,
    on all inputs and on inputs 10^8 and 10^16 times as large, is held to be constant up to twice that. One that varies
    less than eight times its noise shows nothing: it is *chaotic*, and hidden whatever its errors. But if single and
    double precision differ in how much it varies as their units do, it is a constant but for the rounding of what it is
    made of, and held to be one.

    Attributes:
        runner: evaluates it.
        inputs: what it is measured on.
        bank: the same with its outputs and the gauge's units, as steps read them.
        references: f on the inputs that elements are tested on, `[trials, batch, P', C']`, float64. Of a complex output
            the imaginary parts follow as further channels.
        gauge: variation, noise and tolerance.
    """

    runner: Runner
    inputs: Inputs
    bank: Bank
    references: np.ndarray
    gauge: Gauge

    @property
    def trials(self) -> int:
        """Batches that elements are tested on."""
        return len(self.references)

    @property
    def tol(self) -> float:
        """The largest error taken for rounding."""
        return self.gauge.tol

    @property
    def unit(self) -> np.ndarray:
        """What an error of 1 is, `[trials, batch, 1, C']`."""
        return self.gauge.unit[: self.trials, :, None, :]

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """The channels of which nothing can be told."""
        return tuple(Hidden(self.channel(c), error) for c, error in self.gauge.hidden)

    def channel(self, index: int) -> Channel:
        """The channel of the output that one of the references' is."""
        count = self.references.shape[-1] // 2
        if not self.runner.is_complex:
            return Channel(index)
        return Channel(index % count, "imaginary" if index >= count else "real")

    def without(self, examples: Sequence[tuple[int, int]]) -> Probe:
        """The same, but for some examples, `(entry, place in the batch)`, on which nothing is compared any more."""
        unit = self.gauge.unit.copy()
        for place in examples:
            unit[place] = np.inf
        held = np.ones(self.bank.unit.shape, self.bank.unit.dtype)
        held[: len(unit)] = np.minimum(unit, np.finfo(held.dtype).max)
        held = self.runner.kept(np.maximum(held, np.finfo(held.dtype).tiny))
        return replace(self, gauge=replace(self.gauge, unit=unit), bank=self.bank._replace(unit=held))

    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[float, np.ndarray]]:
        """Of each job its error, as `errors` says, and its output `f(g·x)`, `[batch, P', C']`."""
        for part, errors, y in self._run(jobs):
            yield from zip(errors.tolist(), np.asarray(y)[: len(part)], strict=True)

    def outputs(self, jobs: Sequence[Job]) -> Iterator[np.ndarray]:
        """`f(g·x)` of each job."""
        return (y for _, y in self.measure(jobs))

    def errors(self, jobs: Sequence[Job]) -> list[float]:
        """The error of each job: `max |f(g·x) − h·f(x)|` over positions, over batch and channels in their units.

        Where a chunk has room for it, an unmoved input runs among the moved ones, and must give what it gave before.

        Raises:
            ValueError: if it does not.
            FloatingPointError: if an output is NaN or infinite.
        """
        if not len(jobs) % self.runner.chunk:
            return self._errors(jobs)
        *errors, again = self._errors([*jobs, self.runner.unmoved()])
        self._check_slots(again)
        return errors

    def worst(self, elements: Sequence[Isometry], images: Sequence[Isometry], *, still: bool = False) -> list[float]:
        """The error of each element under a given output isometry, over all trials.

        Args:
            still: whether output channels are compared as they are.
        """
        trials = range(self.trials)
        errors = self.errors([Job(g, h, k, still) for g, h in zip(elements, images, strict=True) for k in trials])
        return [max(errors[at * len(trials) :][: len(trials)]) for at in range(len(elements))]

    def check_apart(self) -> None:
        """Raise an error if an input among copies of itself gives another output than among others.

        Raises:
            ValueError: the function mixes the examples of a batch.
        """
        # What is left of a chunk is filled with copies.
        self._check_slots(max(self._errors([self.runner.unmoved(k)])[0] for k in range(min(2, self.trials))))

    def _errors(self, jobs: Sequence[Job]) -> list[float]:
        return [error for _, errors, _ in self._run(jobs) for error in errors.tolist()]

    def _run(self, jobs: Sequence[Job]) -> Iterator[tuple[Sequence[Job], np.ndarray, Any]]:
        for part, errors, finite, y in self.runner.run(self.bank, jobs):
            for ok, job in zip(np.asarray(finite), part, strict=False):
                check_finite(bool(ok), job.g)
            yield part, np.asarray(errors)[: len(part)], y

    def _check_slots(self, difference: float) -> None:
        if difference > resolution(self.runner.eps):
            raise ValueError(
                f"the function mixes the examples of a batch: one input evaluated in two slots differs by "
                f"{difference:.1e}. Use it in evaluation mode, without randomness"
            )


def check_finite(ok: bool, g: Isometry) -> None:
    """Raise an error if the output for g is not finite.

    Raises:
        FloatingPointError: naming g.
    """
    if not ok:
        on = "before any transformation" if g == Isometry.identity(g.dim) else f"transformed by ({g})"
        raise FloatingPointError(f"the function returned NaN or inf on standard normal inputs {on}")
