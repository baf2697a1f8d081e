"""The first losses of ten models of other libraries, as the ledger of `infer` tells them.

    python -m scripts.ledgers

writes docs/studies/records/ledgers.jsonl and docs/ledgers.md. It needs PyTorch, torchvision and timm. Each model is
read on the plane as its library builds it, without trained weights, at the size that it was published for.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import equinet as eq
from equinet.train.record import write_text
from experiments import markdown
from experiments.study import DOCS

RECORDS, PAGE = DOCS / "records" / "ledgers.jsonl", DOCS.parent / "ledgers.md"
MODELS = (
    "torchvision:resnet50",
    "torchvision:densenet121",
    "torchvision:efficientnet_b0",
    "torchvision:convnext_tiny",
    "torchvision:vit_b_16",
    "torchvision:swin_t",
    "timm:coat_lite_tiny",
    "timm:mixer_b16_224",
    "timm:pvt_v2_b0",
    "timm:mobilevit_xs",
)
FIRST = 6
"""Losses of each model that are shown."""


def first_losses(certificate: eq.Certificate, kinds: dict[str, str]) -> list[dict[str, str]]:
    """The first rows of a ledger after which less is left than after any before.

    Args:
        kinds: the class of each submodule.
    """
    found, left = [], certificate.domain.group
    for row in certificate.ledger:
        if left <= row.strict:
            continue
        left = left & row.strict
        path = ".".join(row.path)
        found.append({"where": path, "kind": kinds.get(path, ""), "lost": row.lost, "why": row.reason})
    return found[:FIRST]


def looked_at(name: str) -> dict[str, Any]:
    """The record of one model."""
    from equinet.interop.torch.published import outline

    source, _, own = name.partition(":")
    module, given = outline(source, own)
    certificate = eq.infer(module, eq.plane(2), given.channels, size=given.sizes)
    kinds = {path: type(part).__name__ for path, part in module.named_modules() if path}
    return {
        "name": name,
        "version": version(source),
        "size": "×".join(map(str, given.sizes)),
        "group": str(certificate.strict),
        "losses": first_losses(certificate, {**kinds, type(module).__name__: ""}),
    }


def page(records: list[dict[str, Any]]) -> str:
    """The page."""
    versions = sorted({f"{record['name'].partition(':')[0]} {record['version']}" for record in records})
    lines = [
        "# What ledgers say of other people's models",
        "",
        f"Ten models of {' and '.join(versions)}, read by `infer` on the plane, where padding plays no part.",
        f"Each table has the first losses, {FIRST} at most: the submodule, by the name that its own code gives it,",
        "what is lost there, and why.",
        "The page is made by `python -m scripts.ledgers`.",
    ]
    for record in records:
        lines += ["", f"## {record['name']}", "", f"At {record['size']}, for all weights: {record['group']}.", ""]
        rows = [[_module(loss), loss["lost"], loss["why"]] for loss in record["losses"]]
        lines.append(markdown.table(["where", "lost", "why"], rows))
    return "\n".join(lines) + "\n"


def _module(loss: dict[str, str]) -> str:
    """A submodule as code, with its class; the model's own code by the model's class.

    >>> _module({"where": "layer1.0.conv2", "kind": "Conv2d"})
    '`layer1.0.conv2` (Conv2d)'
    >>> _module({"where": "VisionTransformer", "kind": ""})
    '`VisionTransformer`'
    """
    return f"`{loss['where']}`" + (f" ({loss['kind']})" if loss["kind"] else "")


def main() -> None:
    """Look at all, write the records and the page."""
    records = []
    for name in MODELS:
        records.append(looked_at(name))
        print(name, records[-1]["group"], *(f"\n  {list(loss.values())}" for loss in records[-1]["losses"]), flush=True)
    write_text(RECORDS, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    write_text(PAGE, page(records))


if __name__ == "__main__":
    main()
