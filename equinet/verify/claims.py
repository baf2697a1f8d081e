"""Claims under test: which isometries of the input are said to act, and how on the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from equinet.checks import MOST, as_function, as_integer, as_kind, shown
from equinet.groups import Isometry, RealGroup, SpaceGroup
from equinet.groups.domain import Axis, Domain, as_domain
from equinet.groups.fibre import told_channels
from equinet.verify.act import ChannelAction

Action = Callable[[Isometry], Isometry]
POINT = Domain(())


@dataclass(frozen=True)
class Claim:
    """A group of isometries of `domain` and, if stated, its action on the output.

    `channels` says how many channels the input has, and, if it can be called as a `Fibre` can, what point operations do
    to them; `fibre` says that of the output. `action` None stands for the default: trivial on an output without spatial
    axes, g ↦ g on a grid of the input's sizes. `source` is the object the claim came from, asked for its receptive
    field where the domain is infinite.
    """

    domain: Domain
    channels: int
    group: SpaceGroup
    action: Action | None = None
    output: Domain | None = None
    source: Any = None
    fibre: ChannelAction | None = None
    shifts_only: bool = False

    def __post_init__(self) -> None:
        if not callable(self.channels):
            object.__setattr__(
                self, "channels", as_integer(self.channels, "the number of input channels", least=1, most=MOST)
            )

    def about_shifts(self) -> Claim:
        """What the claim says of translations; nothing is said of other isometries."""
        group = SpaceGroup.of_translations(self.group.lattice, self.group.periods)
        return replace(self, group=group, shifts_only=True)

    @property
    def is_adaptive(self) -> bool | None:
        """Whether the claim excepts inputs from which no equivariant choice is possible; None if it does not say."""
        return getattr(self.source, "adaptive", None)

    @property
    def moves(self) -> ChannelAction | None:
        """What point operations do to the channels of the output, None where none of them moves any."""
        f: Any = self.fibre
        if not callable(f):
            return None
        known: Any = getattr(f, "group", ())
        moves: Any = f
        return None if known and all(_is_still(moves(matrix)) for matrix in known) else moves

    @property
    def whole(self) -> SpaceGroup:
        """The domain's isometries for which it is known what they do to channels, or its translations only."""
        group = self.domain.group
        if self.shifts_only:
            return SpaceGroup.of_translations(group.lattice, group.periods)
        known = [set(getattr(f, "group", group.point_group)) for f in (self.channels, self.fibre) if callable(f)]
        if callable(self.fibre) and self.moves is None:
            known[-1] |= set(self.group.point_group)
        kept = tuple((a, t) for a, t in group.operations if all(a in operations for operations in known))
        return group if len(kept) == len(group.operations) else SpaceGroup(group.lattice, kept, group.periods)


def read_claim(
    claim: Any,
    domain: Domain | None,
    channels: int | None,
    action: Action | None,
    output: Domain | None,
    fibre: ChannelAction | None = None,
    fn: object = None,
    inputs: Any = None,
) -> tuple[Claim, Domain | None]:
    """A `Claim` from a certificate-like object or a `SpaceGroup`, and the finite canvas asked for, if any.

    Args:
        claim, domain, channels, action, output, fibre: as for `verify`.
        fn, inputs: what is measured, and on what; they may tell the number of channels where nothing else does.

    Raises:
        ValueError: if the claim says nothing about its domain, or contradicts the one given.
        TypeError: if it is neither a group nor has `domain`, `strict` and `action`.
    """
    for name, given in (("action", action), ("fibre", fibre)):
        if given is not None:
            as_function(given, f"{name} is a function of one point operation or isometry")
    if output is not None:
        as_kind(output, Domain, "output is the output's grid, such as torus(16, 16)")
    if domain is not None:
        as_domain(domain, "verify")
    if isinstance(claim, RealGroup) or isinstance(getattr(claim, "strict", None), RealGroup):
        raise TypeError("verify moves nodes to nodes; a certificate of real shifts is tested by verify_shifts")
    if isinstance(claim, SpaceGroup):
        if domain is None:
            raise ValueError("a claim given as a SpaceGroup needs domain=, such as torus(32, 32)")
        width = told_channels("verify", fn, domain.sizes, inputs) if channels is None else channels
        result = Claim(domain, width, claim, action, output, fibre=fibre)
        canvas = None
    elif all(hasattr(claim, name) for name in ("domain", "strict", "action")):
        own: Domain = claim.domain
        if domain is not None and domain.dim != own.dim:
            raise ValueError(f"the claim is about {own}, of dimension {own.dim}; domain={domain} has {domain.dim}")
        if domain is not None and own.is_finite and domain != own:
            raise ValueError(f"the claim is about {own}; domain={domain} is another. Certify the network on {domain}")
        width = getattr(claim, "channels", None) if channels is None else channels
        if width is None:
            width = told_channels("verify", fn, own.sizes, inputs)
        moves = fibre if fibre is not None else getattr(claim, "fibre", None)
        grid = output or getattr(claim, "output", None)
        result = Claim(own, width, claim.strict, action or claim.action, grid, claim, moves)
        canvas = None if own.is_finite else domain
    else:
        raise TypeError(
            f"a claim is a SpaceGroup, or has .domain, .strict and .action as a Certificate does; got {shown(claim)} "
            f"of type {type(claim).__name__}"
        )
    return _on_its_domain(result), canvas


def _on_its_domain(claim: Claim) -> Claim:
    group, domain = claim.group, claim.domain
    if group.dim != domain.dim:
        raise ValueError(f"the claimed group acts on dimension {group.dim}, but {domain} has dimension {domain.dim}")
    if group.periods != domain.periods:
        group = SpaceGroup.generate(domain.dim, group.generators, domain.periods)
    result = replace(claim, group=group)
    strange = next((g for g in group.generators if g not in domain.group), None)
    if strange is not None:
        raise ValueError(f"the claim contains {strange}, which is not an isometry of {domain}")
    strange = next((g for g in group.generators if g not in result.whole), None)
    if strange is not None:
        raise ValueError(f"the claim contains {strange}, and the fibre does not say what it does to channels")
    return result


def _is_still(images: Any) -> bool:
    return all((image, sign) == (channel, 1) for channel, (image, sign) in enumerate(images))


@contextmanager
def as_claimed(fn: object, sizes: Sequence[int], channels: int) -> Iterator[None]:
    """Run a function on inputs `[n, *sizes, channels]`, as the claim about it says.

    Raises:
        ValueError: if it cannot run on them, since its weights are for another number of channels.
    """
    try:
        yield
    except ValueError as error:
        tell: Any = getattr(fn, "input_channels", None)
        told = None if tell is None else tell(sizes)
        if told in (None, channels):
            raise
        raise ValueError(
            f"the claim is about inputs of {channels} channels, the weights read {told}: certify or claim with "
            f"channels={told}"
        ) from error


def output_grid(claim: Claim, sizes: tuple[int, ...]) -> Domain:
    """The output's grid, of the claim if it states one, else of the array's sizes with the input's boundaries.

    Args:
        claim: the claim.
        sizes: the spatial sizes of the array that came out.

    Raises:
        ValueError: if the array contradicts the claim, or its dimension is neither 0 nor the input's.
    """
    stated = claim.output
    if stated is not None:
        # Whatever the axes are, a grid of dimension 0 is acted on trivially.
        if stated.dim == 0:
            return POINT
        known = len(sizes) == stated.dim and all(a in (None, b) for a, b in zip(stated.sizes, sizes, strict=True))
        if not known:
            raise ValueError(f"the claim says that the output lies on {stated}; the function returned sizes {sizes}")
        return stated
    if not sizes:
        return POINT
    if len(sizes) != claim.domain.dim:
        raise ValueError(
            f"the output has {len(sizes)} spatial axes and the input {claim.domain.dim}: state its grid with output="
        )
    return Domain(
        tuple(
            Axis(None if axis.size is None else n, axis.boundary)
            for n, axis in zip(sizes, claim.domain.axes, strict=True)
        )
    )


def output_action(claim: Claim, grid: Domain) -> Action:
    """The action to test: the claim's, or the default that `Claim` describes, checked at each element.

    Raises:
        ValueError: if no action was stated and the output grid differs from the input's.
    """
    if grid.dim == 0:
        return lambda g: Isometry.identity(0)
    stated = claim.action
    if stated is None:
        if grid.sizes != claim.domain.sizes:
            raise ValueError(
                f"the output lies on {grid} and the input on {claim.domain}: state how the group acts on it with "
                f"action=, a function from isometries of {claim.domain} to isometries of {grid}"
            )
        return lambda g: g

    def checked(g: Isometry) -> Isometry:
        image = as_kind(stated(g), Isometry, "action gives isometries of the output grid")
        if image.dim != grid.dim or image not in grid.group:
            raise ValueError(f"action({g}) = {image} is not an isometry of the output grid {grid}")
        return image

    return checked
