"""Whether any weights of a network could tell two places of an item apart."""

import equinet as eq


def alike(net: eq.Sequential, size: int, item: int, places: tuple[int, int]) -> bool:
    """Whether a network gives the same for an item at two places on a background of zeros, for all its weights.

    It does if its certificate has the shift between the places on the torus. Or if it has it on the plane, what lies
    beyond a border is zeros, and after each layer all nodes that the item can change are there, at both places: without
    biases the rest of every map is 0, as on the plane, so that the whole map is that of the plane. False is no claim.

    Args:
        net: convolutions without biases and relu, then a global pooling and what follows it.
        size: of the square image.
        item: nodes along the item.
        places: its first node along both axes, one and the other.

    Raises:
        TypeError: another layer, or a convolution with a bias.
    """
    shift = eq.Isometry.translation((places[1] - places[0],) * 2)
    if shift in eq.certify(net, eq.torus(size, size), channels=1).invariance:
        return True
    on_plane = shift in eq.certify(net, eq.plane(2), channels=1).invariance
    return on_plane and all(_is_there(net, size, place, place + item - 1) for place in places)


def _is_there(net: eq.Sequential, size: int, first: int, last: int) -> bool:
    """Whether all nodes that the nodes from first to last can change exist, after each layer, among zeros."""
    for layer in net.layers:
        if isinstance(layer, eq.GlobalAvgPool | eq.GlobalMaxPool):
            break
        if isinstance(layer, eq.Relu):
            continue
        if not isinstance(layer, eq.Conv) or layer.bias:
            raise TypeError(f"{layer}: convolutions without biases and relu are expected before a global pooling")
        [window] = {*layer.windows((size, size, 1))}
        if window.mode != "zero":
            return False
        before = window.border(size)[0]
        first = -((window.kernel - 1 - before - first) // window.stride)
        last = (last + before) // window.stride
        size = layer.output_shape((size, size, 1))[0] or 0
        if first < 0 or last >= size:
            return False
    return True
