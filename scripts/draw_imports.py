"""Draw which part of equinet imports which, from the imports themselves.

    python -m scripts.draw_imports

writes docs/architecture.svg. A part stands on the floor above the highest part that it imports; arrows that follow from
others are left out.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
PARTS = {
    "checks": "what came, what was expected",
    "names": "near names",
    "lazy": "names that load late",
    "markup": "pieces of HTML",
    "groups": "who acts: exact integers",
    "symmetry": "what a value keeps",
    "ops": "fast arrays",
    "declare": "a mark on a region",
    "readers": "who reads a foreign model",
    "layers": "init, apply, symmetry",
    "infer": "from any JAX function",
    "verify": "measurement",
    "degree": "how far it is off",
    "certify": "the fold over layers",
    "models": "architectures",
    "interop": "Flax and PyTorch",
    "advise": "sizes, suggestions",
    "train": "runs that resume",
    "explore": "an interactive page",
    "cli": "the command",
}
"""Every part, and what it is."""
WIDTH, NARROW, HEIGHT, GAP, FLOOR, PAGE = 168, 10, 52, 26, 100, 900


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, which is only read."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> set[str]:
    """The modules that a file imports when it runs, as absolute dotted names; not those imported for types alone."""
    found: set[str] = set()
    for node in statements(parsed(path), types=False):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def statements(tree: ast.AST, *, types: bool = True) -> Iterator[ast.AST]:
    """Everything below a node but expressions, in which nothing can be imported; what is for types alone if asked."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                continue
            if types or not (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"):
                left.append(child)


def arrows(package: Path = ROOT / "equinet") -> dict[str, set[str]]:
    """For each part of a package, a folder or a file in it, the other parts that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).with_suffix("").parts[0]
        if own in ("__init__", "__main__"):
            continue
        parts = {name.split(".")[1] for name in imports(path) if name.startswith(f"{package.name}.")}
        found.setdefault(own, set()).update(parts - {own})
    return found


def floors(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The parts, floor by floor from the ground: each above everything that it imports.

    Raises:
        ValueError: if imports go in a circle.
    """
    level: dict[str, int] = {}
    while len(level) < len(graph):
        ready = [part for part in graph if part not in level and graph[part] <= level.keys()]
        if not ready:
            raise ValueError(f"imports go in a circle among {', '.join(sorted(graph.keys() - level.keys()))}")
        for part in ready:
            level[part] = 1 + max((level[other] for other in graph[part]), default=-1)
    return [[part for part in graph if level[part] == floor] for floor in range(max(level.values()) + 1)]


def direct(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others."""
    below: dict[str, set[str]] = {}
    for floor in floors(graph):
        for part in floor:
            below[part] = graph[part].union(*(below[other] for other in graph[part]))
    return [
        (part, other)
        for part in graph
        for other in sorted(graph[part])
        if not any(other in below[third] for third in graph[part] - {other})
    ]


def routed(graph: Mapping[str, set[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """The rows from the ground up, and the arrows as the boxes that they pass from one row to the next.

    Parts stand as high as what imports them lets them. An arrow over several rows has a place of its own, called
    "from>to", in each between, so that it passes no box. Rows are ordered by the mean place of their neighbours.
    """
    order, users = floors(graph), {part: {p for p, used in graph.items() if part in used} for part in graph}
    level: dict[str, int] = {}
    for part in reversed([part for floor in order for part in floor]):
        level[part] = min((level[user] for user in users[part]), default=len(order)) - 1
    rows: list[list[str]] = [[part for part in PARTS if level.get(part) == row] for row in range(len(order))]
    paths = []
    for part, other in direct(graph):
        between = range(level[part] - 1, level[other], -1)
        paths.append([part, *(f"{part}>{other}" for _ in between), other])
        for row in between:
            rows[row].append(f"{part}>{other}")
    for _ in range(4):
        for order_of in (range(1, len(rows)), range(len(rows) - 2, -1, -1)):
            for row in order_of:
                near = row - 1 if order_of.step > 0 else row + 1
                at = {name: (i + 0.5) / len(rows[near]) for i, name in enumerate(rows[near])}
                links = [pair for path in paths for pair in (*pairwise(path), *pairwise(path[::-1]))]
                pull = {
                    name: [at[other] for own, other in links if own == name and other in at and other != name] or [0.5]
                    for name in rows[row]
                }
                rows[row].sort(key=lambda name, pull=pull: sum(pull[name]) / len(pull[name]))
    return rows, paths


def draw(graph: Mapping[str, set[str]]) -> str:
    """The picture, as SVG."""
    rows, paths = routed(graph)
    height, middle = FLOOR * len(rows) + GAP, {}
    for row, names in enumerate(rows):
        widths = [NARROW if ">" in name else WIDTH for name in names]
        left = (PAGE - sum(widths) - GAP * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            middle[name, row] = (left + width / 2, height - FLOOR * (row + 1) + GAP)
            left += width + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PAGE} {height}" font-family="sans-serif" role="img">',
        "<title>Which part of equinet imports which: every arrow points down</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{PAGE}" height="{height}" fill="white"/>',
    ]
    row_of = {name: row for row, names in enumerate(rows) for name in names if ">" not in name}
    for path in paths:
        stops = [middle[name, row_of[path[0]] - step] for step, name in enumerate(path)]
        (x, y), *between, (u, v) = stops
        points = [(x, y + HEIGHT), *((a, b + d) for a, b in between for d in (0, HEIGHT)), (u, v)]
        line = "L".join(f"{a:g} {b:g}" for a, b in points)
        lines.append(f'<path d="M{line}" stroke="#555" fill="none" marker-end="url(#tip)"/>')
    for part, row in row_of.items():
        x, y = middle[part, row]
        lines.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#e8f1fa" '
            f'stroke="#0072b2"/>'
        )
        for text, down, size, weight in ((part, 22, 15, "bold"), (PARTS[part], 40, 11, "normal")):
            lines.append(
                f'<text x="{x:g}" y="{y + down:g}" font-size="{size}" font-weight="{weight}" '
                f'text-anchor="middle" fill="#111">{text}</text>'
            )
    return "\n".join([*lines, "</svg>"]) + "\n"


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle; none if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def main() -> None:
    PICTURE.write_text(draw(arrows()), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
