"""Questions: certificates of large networks, and importing the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial

import jax

import equinet as eq
from benchmarks.common import Way, Work

CERTIFIED = "equinet, certificate"


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


def fresh(code: str) -> Way:
    """A fresh interpreter up to when it has run some code; what that imports is compiled in the first call."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", f"{code}; import os; os._exit(0)"]
    return lambda: subprocess.run(command, check=True, env=environment)


def questions() -> Mapping[str, Way]:
    """Certificates of ResNets."""
    resnet = eq.models.resnet(depth=50, stem="imagenet", padding="circular")
    adaptive = eq.models.resnet(depth=18, stem="imagenet", padding="circular", down="aps")
    return {
        "ResNet-50, torus 224": lambda: groups(resnet, eq.torus(224, 224)),
        "ResNet-50, torus 1024": lambda: groups(resnet, eq.torus(1024, 1024)),
        "ResNet-50, box 224": lambda: groups(resnet, eq.box(224, 224)),
        "ResNet-50, plane": lambda: groups(resnet, eq.plane(2)),
        "ResNet-18 with APS, torus 224": lambda: groups(adaptive, eq.torus(224, 224)),
        "ResNet-50, torus 224, inferred from its program": lambda: inferred(resnet, eq.torus(224, 224)),
        "ResNet-50, torus 224, with its ledger": lambda: eq.certify(resnet, eq.torus(224, 224), 3).ledger,
    }


def volume() -> Mapping[str, Way]:
    """3-D U-Nets: with plain convolutions, and over the octahedral group."""
    nets = {"equinet": eq.models.unet(3, dim=3), "over m-3m": eq.models.unet(3, dim=3, group="m-3m")}
    return {name: (lambda net=net: groups(net, eq.torus(64, 64, 64))) for name, net in nets.items()}


def deep(depth: int) -> Mapping[str, Way]:
    """Many layers."""
    layers = [layer for _ in range(depth // 2) for layer in (eq.Conv(8, 3, padding="circular"), eq.Relu())]
    net = eq.Sequential(*layers)
    return {"equinet": lambda: groups(net, eq.torus(64, 64))}


def imports() -> Mapping[str, Way]:
    """`import equinet`, which loads nothing; with the first certificate, which loads jax and all layers."""
    certificate = "import equinet as eq; eq.certify(eq.Conv(2, 3), eq.torus(4, 4))"
    return {"import jax": fresh("import jax"), "equinet": fresh("import equinet"), CERTIFIED: fresh(certificate)}


def works() -> list[Work]:
    """The rows."""
    first = "ResNet-50, torus 224"
    return [
        Work("certificates", questions, first, first, within=0.01),
        Work("certificate of a 3-D U-Net, torus 64³ with all of O_h", volume, "equinet", within=0.05),
        *(
            Work(
                f"certificate of {depth} layers",
                partial(deep, depth),
                "equinet",
                within=0.2 if depth == 1000 else None,
                growth=("certificate", depth),
            )
            for depth in (10, 100, 1000)
        ),
        # 1.3 and 1.15 times as long as jax alone.
        Work("import equinet", imports, "import jax", CERTIFIED, goal=0.77, stretch=0.87),
    ]
