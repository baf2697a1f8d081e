"""How long a question takes: certificates of large networks, and `import equinet` next to `import jax`.

    python -m benchmarks.query

Targets: ResNet-50 at 224 × 224 with all of D4 within 50 ms, warm; within a second from its program.
"""

import subprocess
import sys

import jax

import equinet as eq
from benchmarks.common import Busy, alternate, report


def groups(net: eq.Layer, domain: eq.Domain) -> object:
    """Every group of a certificate, computed anew but for what the process has cached."""
    certificate = eq.certify(net, domain, 3)
    return certificate.strict, certificate.orbit, certificate.invariance


def inferred(net: eq.Layer, domain: eq.Domain) -> object:
    """The groups that inference finds in a network's program, tracing included."""
    sizes = tuple(n or 1 for n in domain.sizes)
    params = jax.eval_shape(lambda key: net.init(key, (*sizes, 3)), jax.random.key(0))
    certificate = eq.infer(net.apply, domain, 3, params=params)
    return certificate.strict, certificate.invariance


def importing(*modules: str):
    """A fresh interpreter that imports `modules`."""
    return lambda: subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], check=True)


def main() -> None:
    """Print both tables."""
    resnet = eq.models.resnet(depth=50, stem="imagenet", padding="circular")
    adaptive = eq.models.resnet(depth=18, stem="imagenet", padding="circular", down="aps")
    ways = {
        "ResNet-50, torus 224": lambda: groups(resnet, eq.torus(224, 224)),
        "ResNet-50, box 224": lambda: groups(resnet, eq.box(224, 224)),
        "ResNet-50, plane": lambda: groups(resnet, eq.plane(2)),
        "ResNet-18 with APS, torus 224": lambda: groups(adaptive, eq.torus(224, 224)),
        "ResNet-50, torus 224, inferred from its program": lambda: inferred(resnet, eq.torus(224, 224)),
        "ResNet-50, torus 224, with its ledger": lambda: eq.certify(resnet, eq.torus(224, 224), 3).ledger,
    }
    report("certificates", alternate(ways, "ResNet-50, torus 224"), "ResNet-50, torus 224")
    imports = {"import jax": importing("jax"), "import equinet": importing("equinet")}
    report("imports", alternate(imports, "import jax", samples=5), "import jax")


if __name__ == "__main__":
    try:
        main()
    except Busy as busy:
        sys.exit(f"benchmarks.query: {busy}")
