"""Neural operators: networks on frequencies, which run at every resolution."""

from __future__ import annotations

from typing import Literal, Unpack

from equinet.layers import Dense, Gelu, Layer, Named, Parallel, Sequential, SpectralConv
from equinet.models.parts import MOST_BLOCKS, check_counts, make_parts
from equinet.models.shared import READOUTS, Active, Readout, shares


@shares(Active)
def fno(
    depth: int = 4,
    *,
    width: int = 32,
    modes: int = 8,
    classes: int = 10,
    readout: Readout | Literal["map"] = "map",
    **shared: Unpack[Active],
) -> Layer:
    """Fourier neural operator (Li et al. 2021), in any dimension: a map to a map, on a torus.

    Channels are lifted to `width`. A block adds a `SpectralConv` and a dense layer at every node, and a nonlinearity
    follows, but for the last. Two dense layers give the output. All shifts from node to node are kept; with
    activation="aliasfree" those by half a node too, and with "polynomial" all real shifts.

    Args:
        depth: number of blocks.
        width: channels.
        modes: frequencies from 0 on that a block mixes, along every axis.
        classes: channels of the output.
        activation: "pointwise" (gelu), "aliasfree" (gelu at twice as many nodes) or "polynomial" (of degree 2 there).
        readout: "map", one vector per node, or as for `small_cnn`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.

    >>> from equinet import certify, torus
    >>> print(certify(fno(activation="polynomial"), torus(32, 32), 1, translations="real").strict)
    R × R
    """
    check_counts("fno", most=MOST_BLOCKS, depth=depth)
    check_counts("fno", width=width, modes=modes, classes=classes)
    parts = make_parts("fno", readout=readout, readouts=("map", *READOUTS), **shared)
    function = parts.function(Gelu())
    layers: list[Layer] = [Named("lift", Dense(width))]
    for i in range(depth):
        mixed = Parallel(SpectralConv(width, modes, bias=False), Dense(width))
        layers.append(Named(f"block {i}", Sequential(mixed, function) if i < depth - 1 else mixed))
    ends = (Named("scores", Dense(classes)),) if readout == "map" else parts.head(classes)
    return Sequential(*layers, Named("mixing", Dense(4 * width)), function, *ends)
