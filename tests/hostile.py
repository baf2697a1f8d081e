"""Calls of the public interface with arguments that are wrong in one place or two, drawn by number.

`python -m tests.hostile SEED START COUNT LOG` makes calls in this process, with a limit on memory and one on the time
of each, and writes a line of JSON to LOG for each: before the call what it is, after it what came of it.
"""

from __future__ import annotations

import ast
import inspect
import json
import math
import operator
import random
import re
import resource
import signal
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
import equinet.groups
import equinet.models
import equinet.ops.cpu
import equinet.verify
from equinet.advise import Requirement
from equinet.groups.representation import Representation, point_group

PACKAGE = str(Path(eq.__file__).parent)
SECONDS = 5.0
"""Of processor time that a call may take, whatever else runs."""
MEMORY = 2 << 30
"""Bytes that a call may take."""
LONGEST = 2000
"""Characters of a message."""

PAGES: list[types.ModuleType] = [eq, equinet.groups, equinet.models, equinet.verify, equinet.ops.cpu]
REFERENCE = "\n".join(page.read_text() for page in (Path(PACKAGE).parent / "docs" / "api").glob("*.md"))
try:
    import equinet.interop

    PAGES.append(equinet.interop)
except ImportError:
    pass

NOT_CALLED = {
    "tune_cpu": "changes the process",
    "untune_cpu": "changes the process",
    "MODES": "a constant",
    "MODELS": "a constant",
    "Matrix": "a type",
    "Vector": "a type",
    "Shift": "a type",
    "Context": "made by equinet alone",
    "Layer": "a base class",
    "LayerError": "an exception",
    "InferenceError": "an exception",
    "LedgerRow": "made by equinet alone",
    "Certificate": "made by equinet alone",
    "RealCertificate": "made by equinet alone",
    "RealReport": "made by equinet alone",
    "Report": "made by equinet alone",
    "Discovered": "made by equinet alone",
    "DiscoveredShifts": "made by equinet alone",
    "Suggestion": "made by equinet alone",
    "Suggestions": "made by equinet alone",
    "LegalSizes": "made by equinet alone",
    "Consistency": "made by equinet alone",
    "ErrorProfile": "made by equinet alone",
    "Share": "made by equinet alone",
}
"""Public names that are not called, and why."""

OF_AUTHORS = {
    "output_shape",
    "channels_read",
    "inputs",
    "shapes",
    "by_name",
    "parts",
    "run_child",
    "setup",
    "forward",
    "symmetry",
    "reason",
    "chain",
    "run",
    "plain",
}
"""Methods that layers define for equinet to call, with arguments of its own making."""

OPERATORS = {
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__add__": operator.add,
    "__mul__": operator.mul,
    "__matmul__": operator.matmul,
    "__pow__": operator.pow,
    "__le__": operator.le,
    "__lt__": operator.lt,
    "__ge__": operator.ge,
    "__gt__": operator.gt,
    "__eq__": operator.eq,
    "__contains__": operator.contains,
    "__getitem__": operator.getitem,
}


def _flip(x: Any) -> Any:
    return jnp.flip(x, 1)


def _every_other(x: Any) -> Any:
    return x[:, ::2]


NET = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Relu(), eq.MaxPool(2))
REGULAR: Any = eq.Fibre.regular("4")
VECTOR: Any = eq.Fibre.vector("4mm")
TURN = eq.Isometry(((0, -1), (1, 0)), (3, 0))


@cache
def held() -> dict[str, Any]:
    """What takes long to make."""
    domain = eq.torus(4, 4)
    variables = NET.init(0, (4, 4, 1))
    bound = NET.bind(variables)
    certificate = eq.certify(NET, domain, channels=1)
    return {
        "variables": variables,
        "bound": bound,
        "certificate": certificate,
        "real": eq.certify(NET, domain, channels=1, translations="real"),
        "report": eq.verify(lambda x: x * x, domain.group, domain, channels=1, key=0),
        "discovered": eq.discover(_flip, eq.torus(4), channels=1, key=0),
        # Its interval imports SciPy.
        "consistency": str(eq.consistency(bound, np.ones((2, 4, 4, 1)), eq.transforms.Circular((1, 0)))),
    }


def layers() -> list[Any]:
    """Layers that run on most small inputs."""
    return [
        *(NET, eq.Relu(), eq.Conv(2, 3), eq.MaxPool(2), eq.Named("here", eq.Conv(1, 1)), eq.GlobalAvgPool()),
        *(eq.GroupConv(REGULAR, 3), eq.BatchNorm(), eq.PolyphasePool(2), eq.Residual(eq.Conv(1, 3)), eq.Flatten()),
        *(eq.Sequential(eq.GroupConv(REGULAR, 3), eq.GroupPool()), eq.SelfAttention(1), eq.Dense(2)),
    ]


DOMAINS = (
    *(eq.torus(8), eq.torus(4, 4), eq.box(5), eq.box(4, 4), eq.plane(1), eq.plane(2)),
    *(eq.Domain((eq.periodic(4), eq.bounded(5))), eq.torus(2, 2, 2)),
)
GROUPS = tuple(domain.group for domain in DOMAINS) + (eq.SpaceGroup.parse("p4m"), eq.SpaceGroup.trivial(1))
REAL_GROUPS = tuple(map(eq.RealGroup.parse, ("R × R ⋊ 4mm", "½Z × ½Z", "R × Z", "⅓Z", "2Z × 2Z", "R")))
ISOMETRIES = (
    *(eq.Isometry.identity(2), TURN, eq.Isometry.translation((1, 0)), eq.Isometry.translation((1,))),
    *(eq.Isometry(((-1,),), (7,)), eq.Isometry.translation((1, 0, 0))),
    *(eq.Isometry.translation((Fraction(1, 2), 0)), eq.Isometry.translation((Fraction(2, 3),))),
)
LATTICES = (
    *(eq.Lattice.full(2), eq.Lattice.zero(1), eq.Lattice.diagonal((2, 3)), eq.Lattice.span([(1, 1), (1, -1)], 2)),
    *(eq.Lattice.diagonal((8,)), eq.Lattice.diagonal((4, 4))),
)
FIBRES: tuple[Any, ...] = (REGULAR, 2 * VECTOR, eq.Fibre.trivial("4"), eq.Fibre.sign("2"), eq.Fibre.regular("m", 1))
SHAPES = ((8, 1), (4, 4, 1), (4, 4, 2), (4, 4, REGULAR), (5, 5, 3), (3,))
NAMES = ("p4m", "4mm", "2Z × 2Z ⋊ 4mm", "Z × 2Z · m_x {-x, y+1} (pg, index 2)", "trivial", "4mm at (0, 0)", "Z", "2")
POINT_GROUPS = ("4mm", "4", "m_x", "2", "1", "p4m", "m", point_group("4"))
FUNCTIONS = (jnp.tanh, _flip, _every_other, lambda x: x)
PADDINGS = ("zero", "circular", "valid", "reflect", "edge", "zero_lower", 1, ((1, 1), (1, 0)), ((1, 1),))
INTS = (1, 2, 3, (2, 2), (1, 3), (3,))

# What is right for an argument of that name, as lists or as functions that make them.
RIGHT: dict[str, Any] = {
    **dict.fromkeys(["domain", "source", "grid"], DOMAINS),
    **dict.fromkeys(["net", "layer", "body", "shortcut", "down", "inner", "up", "layers", "branches"], layers),
    **dict.fromkeys(["fn", "model"], lambda: [*[held()["bound"]] * 4, *FUNCTIONS]),
    "claim": lambda: [*[held()["certificate"]] * 8, *[held()["real"]] * 4, *GROUPS],
    "require": lambda: ["4mm", "Z × Z", "p4m", "2Z", "trivial", GROUPS[1], lambda certificate: True],
    **dict.fromkeys(["kernel", "stride", "dilation", "factor", "window", "shift", "width", "size"], INTS),
    **dict.fromkeys(["features", "groups", "heads", "hidden", "ratio", "trials", "batch", "limit", "chunk"], (1, 2, 4)),
    "channels": (1, 2, 4, REGULAR),
    "padding": PADDINGS,
    **dict.fromkeys(["fibre", "out"], (*FIBRES, 4)),
    "terms": [fibre.terms for fibre in FIBRES],
    **dict.fromkeys(["g", "generators"], lambda: [*ISOMETRIES, [TURN]]),
    **dict.fromkeys(["group", "subgroup", "even"], lambda: [*POINT_GROUPS, *GROUPS]),
    "lattice": LATTICES,
    "finer": LATTICES,
    "periods": (*LATTICES, None),
    "operations": [group.operations for group in GROUPS],
    "matrix": [((0, -1), (1, 0)), ((1, 0), (0, 1)), ((-1,),), ((1,),)],
    "matrices": [point_group("4"), point_group("4mm")],
    "point": ((0, 1), (2, 3), (0,)),
    "vector": ((0, 1), (2, 3), (0,)),
    "steps": ((2, 3), (1, 0), (4,)),
    "rows": ([(1, 1), (1, -1)], [(2,)], []),
    "basis": (((1, 0), (0, 1)), ((2,),), ()),
    "keep": ((0,), (1, 0), (0, 1)),
    "exponent": (0, 1, -2, 7),
    "dim": (1, 2, 3),
    "leading": (0, 1),
    "sizes": (range(8, 12), (8, 9), [4], 4, 8),
    "axes": [domain.axes for domain in DOMAINS] + ["channels", "all"],
    "boundary": ("periodic", "bounded", "torus", "box", "plane"),
    "text": NAMES + ("-y+7, x", "x+1", "x+1/2, y", "½Z × R", "R × R ⋊ 4mm", "⟨(1/2, 1/2), (0, 1)⟩"),
    "symbol": POINT_GROUPS[:5],
    "shape": SHAPES,
    "key": lambda: [0, 7, jax.random.key(0)],
    "seed": (0, 1),
    "x": lambda: [jnp.ones((1, 4, 4, 1)), np.ones((2, 8, 1), np.float32), jnp.ones((1, 4, 4, 2))],
    "variables": lambda: [held()["variables"], {"params": (), "state": ()}],
    "name": ("stem", "small_cnn", "fcn", "x"),
    "method": ("nearest", "linear"),
    "mode": ("zero", "edge", "reflect", "circular", "generators", "sweep", "cosets"),
    "join": ("add", "concat", "mul"),
    "skip": (None, "add", "concat"),
    "kind": ("max", "mean", "norm"),
    "norm": (1, 2, math.inf, "batch", "layer", "none"),
    "blur": (None, 3, 5),
    "table": ([1.0, 2.0, 1.0, 2.0], np.ones((4, 4)), [[1, 0], [0, 1]]),
    **dict.fromkeys(["bias", "count_padding", "train", "jit", "monotone", "odd", "measure", "generic"], (True, False)),
    **dict.fromkeys(["depthwise", "shifts_only", "blur_first"], (True, False)),
    "progress": (None, False),
    **dict.fromkeys(["rate", "momentum"], (0.0, 0.5)),
    **dict.fromkeys(["slope", "scale", "temperature", "value"], (0.1, 1.0)),
    "epsilon": (1e-5, 1.0),
    "tol": (None, 1e-3),
    "memory": (1 << 28,),
    "budget": (5,),
    "dtype": (jnp.float32, "float32", np.float64),
    "layout": ("BSC", "BCS", "SC"),
    "of": ("strict", "orbit", "invariance"),
    "rule": lambda: [lambda *fields: fields[-1]],
    "init": lambda: [None, lambda key, shape: ()],
    "symmetry": lambda: [None, lambda field: field],
    "action": lambda: [None, lambda g: g, TURN],
    "output": lambda: [None, *DOMAINS],
    "inputs": lambda: [None, np.ones((2, 4, 4, 1))],
    "params": (None,),
    "options": (),
    "cutoff": (0.5, 1, Fraction(2, 3), (0.5, 1)),
    "modes": (1, 2, (2, 1)),
    "degree": (1, 2, 3),
    "activation": (eq.Relu(), eq.Polynomial(2), "pointwise", "aliasfree", "polynomial"),
    "translations": ("nodes", "real"),
    "fine": GROUPS,
    "denominator": (1, 2, 6),
    "unit": (1, 2, 12),
    "real": ((), (0,), (0, 1)),
    "examples": (1, 2),
    "images": lambda: [
        Representation("odd", point_group([((-1,),)]), (((0, -1),), ((0, 1),))).images,
        *(np.ones((3, 4, 4, 1)), np.random.default_rng(0).normal(size=(2, 4, 4, 1)), np.ones((2, 8, 1))),
    ],
    "transform": lambda: [
        *(eq.transforms.Circular(within=1), eq.transforms.Circular((1, 0)), eq.transforms.Circular((0.5,))),
        *(eq.transforms.Crop(background=0), eq.transforms.Rotation((90,)), eq.transforms.Scale((0.9, 1.1))),
    ],
    "draws": (None, 1, 2),
    "labels": (None, [0, 1], np.zeros(3, int)),
    "decide": (None, lambda y: y[..., 0] > 0),
    "unbounded": lambda: [eq.certify(NET, eq.plane(2), channels=1)],
    "isometries": lambda: [list(ISOMETRIES[:3])],
    "path": lambda: ["/nonexistent/picture.png", f"{tempfile.gettempdir()}/equinet-picture.png"],
    "title": (None, "title"),
    "classes": (2,),
    "depth": (11, 18, 1),
    "widths": ((4, 8), (4,)),
    "match": ("parameters", "cost", "width"),
    "readout": ("gap", "gmp", "flatten"),
    "rngs": lambda: [_rngs()],
    "module": lambda: [_linen(), _nnx()],
    "streams": (("dropout",), ()),
    "certificate": lambda: [held()["certificate"]],
    "certified": lambda: [held()["certificate"]],
    "report": lambda: [held()["report"]],
}
SELVES: dict[type, Any] = {
    eq.Isometry: ISOMETRIES,
    eq.Lattice: LATTICES,
    eq.SpaceGroup: GROUPS,
    eq.RealGroup: REAL_GROUPS,
    eq.Domain: DOMAINS,
    eq.Axis: (eq.periodic(4), eq.bounded(5), eq.infinite()),
    eq.Fibre: FIBRES,
    Representation: [rep for fibre in FIBRES for _, rep in fibre.terms],
    eq.Layer: layers,
    eq.Bound: lambda: [held()["bound"]],
    eq.Certificate: lambda: [held()["certificate"]],
    eq.Report: lambda: [held()["report"]],
    eq.Discovered: lambda: [held()["discovered"]],
    eq.LegalSizes: lambda: [eq.legal_sizes(eq.MaxPool(2), "2Z", range(8, 12), channels=1, dim=1)],
    Requirement: lambda: [Requirement("4mm"), Requirement(GROUPS[1], "orbit")],
}
"""Classes whose methods are called, and of what."""

OTHER = {"isometry": ISOMETRIES, "group": GROUPS, "lattice": LATTICES, "fibre": FIBRES, "domain": DOMAINS}


def _rngs() -> Any:
    from flax import nnx

    return nnx.Rngs(0)


def _linen() -> Any:
    import flax.linen as nn

    return nn.Dense(2)


def _nnx() -> Any:
    from flax import nnx

    return nnx.Linear(1, 2, rngs=nnx.Rngs(0))


def nested(depth: int) -> tuple[Any, ...]:
    """A tuple in a tuple in a tuple, and so on."""
    made: tuple[Any, ...] = ()
    for _ in range(depth):
        made = (made,)
    return made


def wrong() -> list[Any]:
    """What is right almost nowhere."""
    return [
        *(None, math.nan, math.inf, -math.inf, -1, 0, 10**9, 2**31, 2**63, 10**30, -(10**30), True, False, 1.0, 2.5),
        *(np.int64(2), np.int8(3), np.float32(2), np.bool_(True), 1j, Fraction(1, 2), Decimal(1), 64, 1000, 65536),
        *("", "zero ", "SAME", "4m", "Z × ", "Z × " * 3000, "(", "⟨(1,", "x" * 10000, "\n", "\0", b"4mm", "9" * 5000),
        *((), [], {}, set(), ((),), ((1, 2), (3,)), [[1, 2], [3, 4]], (0,), (1,) * 5, (1,) * 100, (2.0, 2), (None,)),
        *(
            (-1, -1),
            (10**9, 10**9),
            (True, 1),
            ("zero", "circular"),
            ("a",),
            ((1, 1), (1, 1), (1, 1)),
            {1, 2},
            {"a": 1},
        ),
        *(
            object(),
            int,
            eq.Conv,
            print,
            lambda: 0,
            lambda *a: None,
            range(10**9),
            slice(None),
            nested(50),
            nested(5000),
        ),
        *(np.zeros((0,)), np.ones((2, 2)), np.array(["a"]), np.array([1 + 2j]), np.array(None), np.ones(2, np.int8)),
        *(np.array(3), jnp.ones((1, 4, 4, 1), jnp.int32), jnp.ones(3), jnp.float16(1), jnp.full((1, 4, 4, 1), jnp.nan)),
        *(
            Path("p"),
            ValueError("no"),
            iter((1, 2)),
            (n for n in "ab"),
            bytearray(2),
            memoryview(b"ab"),
            NotImplemented,
            ...,
        ),
        *({"params": (), "state": ()}, {"params": None}, types.SimpleNamespace(dim=2), jax.random.key(0)),
    ]


def right(name: str) -> list[Any]:
    """What is right for an argument of that name; anything of equinet's where nothing is known."""
    found = RIGHT.get(name)
    if found is None:
        found = [value for values in OTHER.values() for value in values]
    return list(found() if callable(found) else found) or [None]


def _of(kind: type) -> list[Any]:
    found = SELVES[kind]
    return list(found() if callable(found) else found)


@dataclass(frozen=True)
class Target:
    """Something to call: its name, how, the names of its arguments, and those that must be given."""

    name: str
    fn: Callable[..., Any]
    names: tuple[str, ...]
    needed: int
    star: bool = False
    itself: type | None = None


def _target(name: str, fn: Callable[..., Any], itself: type | None = None) -> Target:
    parameters = list(inspect.signature(fn).parameters.values())
    if itself is not None:
        parameters = parameters[1:]
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    # By default 249 sizes are tried.
    needed = [p for p in plain if p.default is p.empty or (name, p.name) == ("legal_sizes", "sizes")]
    ordered = needed + [p for p in plain if p not in needed]
    star = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), "")
    return Target(name, fn, (*(p.name for p in ordered), *([star] if star else [])), len(needed), bool(star), itself)


@cache
def targets() -> tuple[Target, ...]:
    """Everything public that can be called."""
    found: dict[str, Target] = {}
    for page in PAGES:
        for name in dir(page):
            thing = getattr(page, name)
            if name.startswith("_") or isinstance(thing, types.ModuleType) or name in NOT_CALLED:
                continue
            if page is equinet.groups and not re.search(rf":: (?:\w+\.)*{name}$", REFERENCE, re.M):
                continue
            if not callable(thing):
                raise TypeError(f"{page.__name__}.{name} is public and cannot be called: say in NOT_CALLED what it is")
            found.setdefault(name, _target(name, thing))
    for kind in SELVES:
        for name in sorted(
            {name for part in kind.__mro__ if part.__module__.startswith("equinet") for name in vars(part)}
        ):
            member = inspect.getattr_static(kind, name)
            label = f"{kind.__name__}.{name}"
            if isinstance(member, staticmethod) and name[0] != "_":
                found[label] = _target(label, getattr(kind, name))
            elif name in OPERATORS and kind is not eq.Layer:
                argument = (
                    {eq.SpaceGroup: "g", eq.RealGroup: "g", eq.Lattice: "vector"}.get(kind)
                    if name == "__contains__"
                    else None
                )
                found[label] = Target(label, OPERATORS[name], (argument or "other",), 1, itself=kind)
            elif name == "__call__" or (
                inspect.isfunction(member) and not name.startswith("_") and name not in OF_AUTHORS
            ):
                found[label] = replace(_target(label, member, kind), fn=_method(name))
    found["Fibre.__rmul__"] = Target("Fibre.__rmul__", lambda fibre, k: k * fibre, ("exponent",), 1, itself=eq.Fibre)
    found["models.build"] = Target("models.build", _build, ("name", "padding", "norm", "group", "width"), 1)
    return tuple(found.values())


def _method(name: str) -> Callable[..., Any]:
    return lambda itself, *args, **named: getattr(itself, name)(*args, **named)


def _build(name: Any, **arguments: Any) -> Any:
    return equinet.models.build(name, **arguments)


CONSTRUCTORS = [
    kind
    for kind in (getattr(eq, name) for name in dir(eq))
    if isinstance(kind, type) and issubclass(kind, eq.Layer) and kind is not eq.Layer
]


def _mutated(rng: random.Random, value: Any) -> Any:
    """Another value in place of a right one."""
    turn = rng.random()
    if isinstance(value, str) and turn < 0.4:
        return value[: rng.randrange(len(value) + 1)] if rng.random() < 0.7 else value * rng.choice([2, 50])
    if isinstance(value, tuple) and turn < 0.3 and value:
        at = rng.randrange(len(value))
        return rng.choice(
            [value[:at], value + value, (*value[:at], rng.choice(wrong()), *value[at + 1 :]), list(value)]
        )
    if type(value) is int and turn < 0.3:
        return rng.choice(
            [-value, value * 10**9, float(value), value + 0.5, np.int32(value), np.float64(value), str(value)]
        )
    if isinstance(value, np.ndarray | jax.Array) and value.ndim and value.dtype != object and turn < 0.4:
        return rng.choice([value[..., 0], value[None], np.zeros(value.shape, np.int8), np.full(value.shape, np.nan)])
    if turn < 0.2:
        return (value,)
    if turn < 0.4:
        return rng.choice(right(rng.choice(list(RIGHT))))
    return rng.choice(wrong())


def _fitting(rng: random.Random, name: str, kind: type | None, itself: list[Any]) -> Any:
    """A right argument, most often one of the dimension of the object whose method is called."""
    pool = _of(kind) if name == "other" and kind is not None else right(name)
    dims = [getattr(one, "dim", getattr(getattr(one, "domain", None), "dim", None)) for one in itself]
    alike = [
        value for value in pool if dims and getattr(value, "dim", len(value) if type(value) is tuple else None) in dims
    ]
    return rng.choice(alike if alike and rng.random() < 0.7 else pool)


@dataclass
class Call:
    """One call: of what, and with what."""

    target: Target
    positional: list[Any]
    named: dict[str, Any]
    changed: int

    def __call__(self) -> Any:
        made = self.target.fn(*self.positional, **self.named)
        if inspect.isgenerator(made) or isinstance(made, Iterator):
            return next(made, None)
        if isinstance(made, type | types.FunctionType) or made is NotImplemented:
            return made
        if isinstance(made, eq.Layer) and isinstance(self.target.fn, type):
            # What a layer refuses only when it is used, it must refuse well.
            for use in (lambda: made.init(0, (4, 4, 1)), lambda: eq.certify(made, eq.torus(4, 4), channels=1).strict):
                with suppress(eq.LayerError):
                    use()
        if type(made).__module__.startswith("equinet"):
            assert len(str(made)) + len(repr(made))
        return made

    def __str__(self) -> str:
        parts = [_shown(value) for value in self.positional] + [f"{k}={_shown(v)}" for k, v in self.named.items()]
        return f"{self.target.name}({', '.join(parts)})"


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except BaseException as error:
        text = f"<{type(value).__name__}: {type(error).__name__} when shown>"
    return text if len(text) <= 90 else text[:87] + "…"


def drawn(seed: int, number: int) -> Call:
    """A call by its number."""
    rng = random.Random(f"{seed}:{number}")
    target = rng.choice(targets())
    names = list(target.names)
    star = names.pop() if target.star else ""
    kept = names[: target.needed] + [name for name in names[target.needed :] if rng.random() < 0.25]
    itself = [] if target.itself is None else [rng.choice(_of(target.itself))]
    values = {name: _fitting(rng, name, target.itself, itself) for name in kept}
    more = [rng.choice(right(star)) for _ in range(rng.randrange(1, 3))] if star else []
    places: list[Any] = [*kept, *range(len(more))]
    changed = rng.choices([0, 1, 2], [4, 5, 1])[0] if places else 0
    for place in rng.sample(places, min(changed, len(places))):
        if isinstance(place, int):
            more[place] = _mutated(rng, more[place])
        else:
            values[place] = _mutated(rng, values[place])
    positional = [*itself]
    if target.itself is not None or target.name in ("torus", "box"):
        # Operators and methods of objects take their arguments in order.
        first = [name for name in kept if name in names[: target.needed]]
        positional += [values.pop(name) for name in first]
    odd = rng.random() if target.fn not in OPERATORS.values() else 1.0
    if odd < 0.02:
        values["no_such_argument"] = 1
    elif odd < 0.04 and values:
        values.pop(next(iter(values)))
    if more:
        positional += more
    return Call(target, positional, values, changed)


class TooLong(BaseException):
    """A call took more than its time."""


@cache
def _raises(path: str) -> frozenset[int]:
    """The lines of a file that belong to a `raise` statement."""
    tree = ast.parse(Path(path).read_text())
    spans = [(n.lineno, n.end_lineno or n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Raise)]
    return frozenset(line for first, last in spans for line in range(first, last + 1))


PYTHONS_OWN = (
    *("unexpected keyword argument", "missing", "positional argument", "multiple values for argument"),
    *("unsupported operand type", "not supported between", "can't multiply sequence by non-int"),
    "does not support ufuncs",
)


def verdict(error: BaseException) -> str:
    """Whose an exception is: "" if equinet's own, with a message of one line; else why not."""
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append((at.tb_frame.f_code.co_filename, at.tb_lineno))
        at = at.tb_next
    text = str(error)
    path, line = frames[-1]
    if isinstance(error, TooLong):
        return "too long"
    if path == __file__:
        own = isinstance(error, TypeError) and any(part in text for part in PYTHONS_OWN)
        return "" if own else "at the call"
    if not path.startswith(PACKAGE):
        return "from outside"
    if line not in _raises(path):
        return "not raised on purpose"
    if not text.strip():
        return "says nothing"
    if len(text) > LONGEST:
        return "too much text"
    if "\n" in text and not isinstance(error, AssertionError):
        return "more than one line"
    kinds = (ValueError, TypeError, AssertionError, FloatingPointError, FileNotFoundError, IsADirectoryError)
    own = type(error) in kinds or type(error).__module__.startswith("equinet")
    return "" if own else f"is a {type(error).__name__}"


def outcome(call: Call) -> dict[str, Any]:
    """What came of a call."""

    def ring(*_: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, 4 * SECONDS)
    start = time.process_time()
    found: dict[str, Any] = {"why": "", "error": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        found["why"] = verdict(error)
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = "" if last is None else f"{last.tb_frame.f_code.co_filename.removeprefix(PACKAGE)}:{last.tb_lineno}"
        found["error"] = f"{type(error).__name__}: {str(error)[:LONGEST]}"
        found["where"] = where
        found["path"] = _path_in(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    found["seconds"] = round(time.process_time() - start, 3)
    if not found["why"] and found["seconds"] > SECONDS:
        found["why"] = "too long"
    return found


def _path_in(error: BaseException) -> list[str]:
    frames, at = [], error.__traceback__
    while at is not None:
        path = at.tb_frame.f_code.co_filename
        if path.startswith(PACKAGE):
            frames.append(f"{path.removeprefix(PACKAGE)}:{at.tb_lineno}")
        at = at.tb_next
    return frames[-4:]


def main(seed: int, start: int, count: int, log: str) -> None:
    """Make calls and write down what came of them."""
    held()
    used = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
    limit = (used << 10) + MEMORY
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with Path(log).open("a") as file:
        for number in range(start, start + count):
            call = drawn(seed, number)
            shown = str(call)
            print(json.dumps({"number": number, "call": shown, "changed": call.changed}), file=file, flush=True)
            made = outcome(call)
            print(json.dumps({"number": number, "name": call.target.name, **made}), file=file, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
