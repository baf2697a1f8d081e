"""The sentences of the studies' pages: their numbers come from records or configs, and what they claim is recorded."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import ml_collections
import pytest

import equinet as eq
from configs import fcn_vs_maxpool, one_d, rotation, segmentation, sizes, volume
from equinet.train.data import load
from equinet.train.data.scenes import CANVAS
from equinet.train.data.volume import BLOCK
from equinet.train.intervals import interval_of
from equinet.train.settings import Settings
from equinet.train.trainer import build_model
from experiments import boundary as border
from experiments.studies import boundary as boundary_study
from experiments.studies import rotation as rotation_study
from experiments.studies import sizes as sizes_study
from experiments.study import DOCS, STUDIES, kept_records
from experiments.summary import Difference, Records, by_network, difference, values
from tests.experiments.prose import numbers

EVERYWHERE = ("95 % interval",)
"""The level of all intervals."""


def listed(found: Sequence[int]) -> str:
    return f"{', '.join(map(str, found[:-1]))} and {found[-1]}"


def asked(records: Records, key: str = "accuracy") -> int:
    """How many test examples a share is of."""
    (count,) = {record[key]["n"] for record in records}
    return count


def model_of(config: ml_collections.ConfigDict) -> Any:
    return config.model


def learned(name: str) -> int:
    """How many training examples the networks and the baseline of that name have."""
    return {record["name"]: record for record in baselines()}[name]["examples"]


def baselines() -> Records:
    return kept_records("linear")


def of_fcn() -> list[str]:
    config, subset = fcn_vs_maxpool.get_config(), load()
    size, stride = Settings.of(config).size, 2 ** (len(model_of(config).features) - 1)
    return [
        f"stages of {listed(model_of(config).features)} features (3×3 convolutions, relu, downsampling by 2",
        f"a total stride of {stride}), {size}×{size} images",
        f"subset of {len(subset.train):,} images",
        f"multiples of {stride} along each axis",
        f"*every* downsampling by {stride} with a fixed phase keeps",
    ]


def of_boundary() -> list[str]:
    config = fcn_vs_maxpool.get_config()
    size, stride = Settings.of(config).size, 2 ** (len(model_of(config).features) - 1)
    crop, canvas, half = border.CROP, border.CROP + 2 * border.MARGIN, boundary_study.PROBED // 2
    return [
        f"stages of {listed(model_of(config).features)} features, 3×3 convolutions, relu, downsampling by 2",
        f"subset at {size}×{size}",
        f"a {size}×{size} image",
        f"{crop}×{crop}",
        f"{CANVAS}×{CANVAS}",
        f"{crop // stride}×{crop // stride} of them with a total stride of {stride}",
        f"{canvas}×{canvas}",
        f"over {boundary_study.SCENES} scenes",
        f"on {half} scenes",
        f"on {half} others, 50 % being chance",
        "below 10⁻¹⁰",  # border.TOLERANCE
        "a bare 0 is rounding",
        "a kernel of 3 and a stride of 2",
    ]


def of_segmentation() -> list[str]:
    config, scenes = segmentation.get_config(), load("fashion_scenes")
    model = model_of(config)
    return [
        f"U-Nets of depth {model.depth} (a total stride of {2**model.depth}) and {model.width} features",
        f"{config.size}×{config.size}",
        f"{len(scenes.train):,} scenes to train on and {len(scenes.test):,} to test on",
    ]


def of_one_d() -> list[str]:
    model = model_of(one_d.get_config())
    leaf, watch = (one_d.get_config(f"{data}-max") for data in one_d.DATA)
    records = kept_records("one_d")
    judged = [asked([r for r in records if r["network"].startswith(data)]) for data in one_d.DATA]
    return [
        f"stages of {listed(model.features)} features, kernels of {model.kernel}, relu, downsampling by 2",
        f"({learned('leaf')} to train on, {judged[0]} to test), resampled to {leaf.size} points, {leaf.epochs} epochs",
        f"windows of {watch.size} samples",
        f"({learned('watch'):,} windows)",
        f"({judged[1]:,}), {watch.epochs} epochs",
        *("subjects 1 to 7", "8 to 10 to test"),  # how equinet.train.data.series splits them
    ]


def of_rotation() -> list[str]:
    config = rotation.get_config()
    model, records = model_of(config), kept_records("rotation")
    return [
        f"standing for {listed(model.features)} plain features (3×3 convolutions",
        f"down by 2 twice, so a total stride of {2 ** (len(model.features) - 1)})",
        f"MNIST at {config.size}×{config.size}, 60,000 training images, one epoch",
        f"batches of {config.batch}",
        f"the {asked(records):,} test digits",
        f"share of {asked(records, 'consistency_turns'):,} test digits",
        "node (0, 0)",
        "windows of 2",
        "(1: as much as another digit would)",
    ]


def of_volume() -> list[str]:
    model = model_of(volume.get_config())
    return [
        f"U-Nets of depth {model.depth} (a total stride of {2**model.depth}) and {model.width} features",
        f"blocks of {BLOCK}³",
        "3-D",
        # What the head is made of, and how many blocks it gives; it is not in the repository.
        *("27 scans", "at 2 mm", "(585 blocks that overlap)", "the 24 blocks"),
        "differ by √2",
        "shifts is 0 for",
    ]


def of_sizes() -> list[str]:
    return [
        f"every size from {sizes_study.COMPUTED.start} to {sizes_study.COMPUTED.stop - 1}",
        # Below, test_what_is_said_of_residual_networks.
        *("strided 3×3 convolutions", "1 more than a multiple of it: 33, not 32", "At 224 pixels"),
        # How the models of the library are made.
        *("5 max pools of 2", "a 7×7 convolution of stride 2, a max pool of 3 and stride 2", "two max pools of 2"),
        *("transposed convolutions of kernel 2", "patches of 4, then of 2"),
    ]


def of_index() -> list[str]:
    subset, size = load(), Settings().size
    return [
        f"({len(subset.train):,} training and {len(subset.test):,} test images, padded to {size} × {size}",
        "3-D",
        "index 1, 4, 16, 64 and none, 300 to 50,000 images",  # configs.coset
        *("8Z × 8Z", "Z × Z"),  # groups, which tests/experiments/test_demo.py holds
    ]


ALLOWED: dict[str, Callable[[], list[str]]] = {
    "fcn_vs_maxpool": of_fcn,
    "boundary": of_boundary,
    "segmentation": of_segmentation,
    "one_d": of_one_d,
    "rotation": of_rotation,
    "volume": of_volume,
    "sizes": of_sizes,
    "index": of_index,
}
"""For each page the phrases whose numbers say how it was done; made from configs where those say the same."""


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_every_page_is_looked_at() -> None:
    # Numbers in the others say what was planned before the runs, or what papers did.
    assert {*STUDIES, "index"} - set(ALLOWED) == {"why", "coset", "published", "subpixel"}


@pytest.mark.parametrize("name", ALLOWED)
def test_numbers_in_prose_say_how_it_was_done(name: str) -> None:
    phrases = ALLOWED[name]()
    words = " ".join(page(name).split())
    assert [phrase for phrase in phrases if phrase not in words] == [], "a config or the page has changed"
    assert numbers(page(name), (*phrases, *EVERYWHERE)) == []


def test_a_typed_result_is_found() -> None:
    typed = "The plain network is right on 92 to 95 % of `n = 10` digits, p4 on 3×3 of them.\n"
    assert [found.split(":")[0] for found in numbers(typed)] == ["92", "95", "3", "3"]
    assert numbers(typed, ["92 to 95 %", "3×3"]) == []
    made = f"<!-- table -->\n{typed}<!-- end -->\n"
    for free in (
        made,
        f"# {typed}",
        f"```text\n{typed}```\n",
        f"a\n\n    {typed}",
        "[X 1999](../related_work.md#x-1999)",
    ):
        assert numbers(free) == []
    assert numbers(made + typed) == numbers(typed)
    for name, phrases in ALLOWED.items():
        assert len(numbers(f"{page(name)}\nIt is ahead by 4 points.\n", (*phrases(), *EVERYWHERE))) == 1


def gaps(records: Records, pairs: Sequence[tuple[str, str]], key: str) -> list[Difference]:
    networks = by_network(records)
    return [difference(networks[one], networks[other], key) for one, other in pairs]


def sides(found: Sequence[Difference]) -> set[int]:
    """On which sides of 0 the intervals lie; 0 where one holds it."""
    return {(gap.mean > 0) - (gap.mean < 0) if gap.excludes_zero else 0 for gap in found}


def all_ones(records: Records, key: str) -> bool:
    return bool((values(records, key) == 1).all())


def of_series(records: Records) -> dict[str, bool]:
    others = [down for down in one_d.DOWNS if down != "max"]
    behind = gaps(records, [(f"leaf-{down}", "leaf-max") for down in others], "accuracy")
    largest = [r for r in records if r["network"].split("-")[1] in ("aps", "lps")]
    watch = [r for r in records if r["network"] == "watch-textbook"]
    return {
        "groups": all(r["computed"] == r["measured"] for r in records),
        "the textbook's network loses on leaves": sides(
            gaps(records, [("leaf-textbook", f"leaf-{down}") for down in one_d.DOWNS], "accuracy")
        )
        == {-1},
        "max pooling is ahead on leaves": all(gap.interval(len(behind))[1] < 0 for gap in behind),
        "nothing shows on the sensor": sides(
            gaps(records, [(f"watch-{kind}", "watch-max") for kind in (*others, "textbook")], "accuracy")
        )
        == {0},
        "polyphase sampling is consistent": all_ones(largest, "circular_consistency"),
        "most windows": bool((values(watch, "circular_consistency") > 0.5).all()),
    }


def of_ways(records: Records) -> dict[str, bool]:
    free = [r for r in records if r["computed"] == "Z × Z"]
    bound = [r for r in records if r["computed"] != "Z × Z"]
    fixed = ("stride", "max", "avg", "blur", "maxblur")
    pooled = {
        name: {r["computed"] for r in found}
        for name, found in by_network(records).items()
        if name.removesuffix("-shifted").endswith(("circular-gap", "circular-gmp"))
    }
    others = [r["computed"] for name, found in by_network(records).items() if name not in pooled for r in found]
    return {
        "a stride as a pool": all(
            groups == ({"8Z × 8Z"} if name.split("-")[0] in fixed else {"Z × Z"}) for name, groups in pooled.items()
        ),
        "no shift elsewhere": set(others) == {"none"},
        "no further shift": all(r["measured"] == r["computed"] for r in records if "measured" in r),
        "with shifted training neither": sum("measured" in r and "shifted" in r["network"] for r in records) > 1,
        "all shifts, all alike": all_ones(free, "circular_consistency"),
        "no other network is": not (values(bound, "circular_consistency") == 1).any(),
    }


def of_turns(records: Records) -> dict[str, bool]:
    networks = by_network(records)
    free = [f"{data}-{group}-{down}" for data, group, down in product(rotation.DATA, ("p4", "p4m"), ("max", "aps"))]
    every = [name for name, found in networks.items() if all_ones(found, "consistency_everything")]
    rounding = {name: values(found, "error_turns").max() < 1e-5 for name, found in networks.items()}
    before = {name: values(found, "error_turns_before").max() < 1e-5 for name, found in networks.items()}
    return {
        "turns": [name for name in networks if all_ones(networks[name], "consistency_turns")] == free,
        "as right when turned": all(
            r["accuracy_upright"] == r["accuracy_right_angles"] for name in free for r in networks[name]
        ),
        "only p4m with APS": every == [f"{data}-p4m-aps" for data in rotation.DATA],
        "rounding before as after": [name for name in networks if rounding[name]]
        == [name for name in networks if before[name]]
        == free,
        "three seeds of one epoch": {r["seed"] for r in records} == {0, 1, 2} and rotation.get_config().epochs == 1,
        "the images of the measure": asked(records, "consistency_turns") == rotation_study.IMAGES,
    }


def of_labels(records: Records) -> dict[str, bool]:
    networks = by_network(records)
    computed = {name: {r["computed"] for r in found} for name, found in networks.items()}
    others = [r for r in records if r["network"] != "aps"]
    return {
        "groups": computed
        == {"max_zero": {"trivial"}, "aps": {"Z × Z"}} | {name: {"8Z × 8Z"} for name in ("max", "stride", "blur")},
        "all labels": [name for name, found in networks.items() if all_ones(found, "shift_equivariance")] == ["aps"],
        "not all": not (values(others, "shift_equivariance") == 1).any(),
    }


def of_heads(records: Records) -> dict[str, bool]:
    found = {record["network"]: record for record in records}

    def learned_some(move: str, exact: str) -> bool:
        errors = {name: (r[f"error_{move}_fresh"], r[f"error_{move}_trained"]) for name, r in found.items()}
        return all(max(pair) < 1e-5 if name == exact else pair[0] > pair[1] > 0.01 for name, pair in errors.items())

    zero = ("max", "stride", "aps", "max_flip")
    return {
        "the mirror": [name for name, r in found.items() if r["mirror_equivariance"] == 1] == ["max_mirror"],
        "shifts": [name for name, r in found.items() if r["shift_equivariance"] == 1] == ["aps_circular"],
        "no shift with zero padding": all(found[name]["computed_torus"] == "trivial" for name in zero),
        "nearer, and not there": learned_some("mirror", "max_mirror") and learned_some("shifted", "aps_circular"),
        "one run each": len(found) == len(records) == len(volume.NETWORKS),
    }


def of_borders(records: Records) -> dict[str, bool]:
    last = [side[-1] for r in records for side in boundary_study._within(r, "crop")]
    rolls = [max(r["cyclic"]) for r in records if "circular" in r["network"]]
    return {
        "five seeds": {r["seed"] for r in records} == {*range(5)},
        "zero padding tells": all(interval_of(row)[0] > 0.5 for row in boundary_study.rows_within(records, "zero")),
        "circular padding does not": max(max(r["probe"]) for r in records if "circular" in r["network"]) < 0.53,
        "no padding is free of it": min(last) > border.TOLERANCE,
        "rounding inside": max(max(boundary_study._beyond(r, "crop")) for r in records) < border.TOLERANCE,
        "circular padding rolls": max(rolls) < border.TOLERANCE,
        "and the others do not": all(r["cyclic"][0] > 0.01 for r in records if "circular" not in r["network"]),
    }


CLAIMS: dict[str, Callable[[Records], dict[str, bool]]] = {
    "one_d": of_series,
    "fcn_vs_maxpool": of_ways,
    "rotation": of_turns,
    "segmentation": of_labels,
    "volume": of_heads,
    "boundary": of_borders,
}
"""What the pages say without a number."""


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_said_without_numbers_is_recorded(name: str) -> None:
    assert [claim for claim, holds in CLAIMS[name](kept_records(name)).items() if not holds] == []


SWAPPED = {"one_d": ("max", "blur"), "fcn_vs_maxpool": ("max-", "aps-"), "rotation": ("p4m", "z2")}
SWAPPED |= {"segmentation": ("aps", "blur"), "volume": ("aps_circular", "max_mirror"), "boundary": ("circular", "zero")}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_fail_of_other_networks(name: str) -> None:
    """The control: names exchanged, some claim of each page is not recorded."""
    one, other = SWAPPED[name]

    def exchanged(record: dict[str, Any]) -> dict[str, Any]:
        network = record["network"].replace(one, "?").replace(other, one).replace("?", other)
        return {**record, "network": network}

    assert not all(CLAIMS[name]([exchanged(record) for record in kept_records(name)]).values())


def test_what_is_said_of_residual_networks() -> None:
    net = build_model(Settings.of(sizes.get_config("resnet-zero")))
    turn = {size: sizes_study._about_centre(sizes_study.TURN, size) for size in (32, 33, 224, 225)}
    kept = [size for size, g in turn.items() if g in eq.certify(net, eq.box(size, size), channels=1).invariance]
    assert kept == [33, 225]
