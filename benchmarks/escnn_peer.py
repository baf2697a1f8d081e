"""escnn's 3×3 circular convolution between 16 regular fields of p4, forward and backward. See `common.Process`.

In an environment of its own: a package that escnn needs is built for an older numpy than jax takes.
"""

import sys
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")

from escnn.gspaces import rot2dOnR2  # noqa: E402
from escnn.nn import FieldType, GeometricTensor, R2Conv  # noqa: E402


def main() -> None:
    """Do it once for every line that comes."""
    batch, size, fields = map(int, sys.argv[1:])
    space = rot2dOnR2(4)
    fibre = FieldType(space, fields * [space.regular_repr])
    conv: nn.Module = R2Conv(fibre, fibre, 3, padding=1, padding_mode="circular", bias=False).train()
    x = torch.randn(batch, fibre.size, size, size).requires_grad_()
    leaves = [x, *conv.parameters()]
    for _ in sys.stdin:
        torch.autograd.grad(conv(GeometricTensor(x, fibre)).tensor.square().sum(), leaves)
        print("done", flush=True)


if __name__ == "__main__":
    main()
