"""What the page says of a setting is what the package says of the network; a repair has what was asked for."""

import time
from dataclasses import replace

import numpy as np
import pytest

import equinet as eq
from equinet.advise import Lack, Requirement
from equinet.explore import Network, Setting, answer, built_in, cheapest, facts
from equinet.explore.answer import at_size, share, turns
from equinet.explore.measure import measure
from equinet.explore.repair import candidates, changes, edited, is_met, own_repair
from equinet.explore.server import Explorer
from equinet.explore.setting import ARGUMENTS, OWN, WORDS, choices, controls, default, domain_of, read, wishes
from equinet.groups.symbols.words import in_words
from equinet.models import MODELS, build

NAMES = tuple(MODELS)
SMALL = {"features": (2, 2)}


def own(net: eq.Layer, channels: int = 1, dim: int = 2) -> Network:
    return Network("mine", net, channels, dim, lambda domain: eq.certify(net, domain, channels))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_as_it_is(name: str) -> None:
    setting = default(name)
    assert build(name) == built_in(setting).net
    assert read(setting.as_query(), NAMES) == setting
    assert choices(name).keys() <= set(ARGUMENTS)
    for argument, known in choices(name).items():
        assert getattr(setting, argument) in known


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"model": "resnt"}, "no network 'resnt': did you mean resnet"),
        ({"model": "fcn", "down": "maxx"}, "no down 'maxx': did you mean max"),
        ({"model": "fcn", "domain": "taurus"}, "no domain 'taurus': did you mean torus"),
        ({"model": "fcn", "size": "1e9"}, "a size is a whole number from 4 to 512; got '1e9'"),
        ({"model": "fcn", "size": "-8"}, "a size is a whole number from 4 to 512; got '-8'"),
        ({"model": "fcn", "size": "9" * 9000}, "a size is a whole number"),
        ({"model": "fcn", "<script>": ""}, "the address has an unknown entry '<script>'"),
        ({"model": OWN}, "no network 'own'"),
    ],
)
def test_a_permalink_that_cannot_be(query: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}") as error:
        read(query, NAMES)
    assert len(str(error.value).splitlines()) == 1


def test_every_way_down_and_readout_is_said_in_words() -> None:
    named = {value for name in NAMES for key in ("down", "readout") for value in choices(name).get(key, ())}
    assert named <= WORDS.keys()


def test_what_a_model_lacks_is_left_out() -> None:
    assert read({"model": "unet", "readout": "gap", "down": "aps"}, NAMES).arguments["readout"] == "gap"
    assert read({"model": "fcn", "wish": "no such"}, NAMES).wish == "Z × Z"
    assert "group" not in default("vit").arguments
    listed = {control["name"] for control in controls(default("small_cnn"), NAMES)}
    assert listed == {"model", *ARGUMENTS, "domain", "wish"}
    assert {control["name"] for control in controls(Setting(OWN), (OWN,))} == {"domain", "wish"}


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["torus", "box", "plane"])
def test_every_wish_can_be_asked(kind: str, dim: int) -> None:
    domain = domain_of(Setting("fcn", domain=kind, size=8), dim)
    certificate = eq.certify(eq.Relu(), domain, 1)
    for wish in wishes(kind, dim):
        assert Requirement(wish, dim=dim).holds_for(certificate), wish


def test_an_answer_is_the_certificate() -> None:
    setting = replace(default("small_cnn"), wish="4Z × 4Z")
    certificate = eq.certify(build("small_cnn"), eq.torus(32, 32), 3)
    found = answer(built_in(setting), setting)
    assert found["sentence"] == f"invariant under {in_words(certificate.strict)}"
    assert ["invariant under", "shifts by multiples of 4 along each axis", "4Z × 4Z (p1, index 16)"] in found["groups"]
    assert found["met"] and not answer(built_in(setting), replace(setting, wish="2Z × 2Z"))["met"]
    assert [row[0] for row in found["losses"]] == ["stage 0.0", "stage 0.2", "stage 1.2"]
    assert found["losses"][1][1] == "loses translations Z × Z → 2Z × 2Z"
    assert found["shifts"] == {"strict": [[4, 0], [0, 4]], "orbit": [[4, 0], [0, 4]], "whole": [[1, 0], [0, 1]]}
    assert len(found["ledger"]) == len(certificate.ledger)
    unet = facts(eq.certify(build("unet", down="aps"), eq.torus(16, 16), 1))
    assert [row[1] for row in unet["losses"]][-1] == "regains Z × Z"


def test_where_a_network_cannot_run_the_answer_says_why() -> None:
    setting = replace(default("unet"), size=33)
    found = answer(built_in(setting), setting)
    assert found.keys() == {"name", "edits", "error"} and "branches 0 and 1 do not join" in found["error"]
    assert at_size(built_in(setting), setting)[1] == -1
    assert at_size(built_in(setting), replace(setting, size=32))[1] > 0


def test_turns_are_those_of_the_group() -> None:
    domain = eq.box(9, 9)
    certificate = eq.certify(eq.MaxPool(2), eq.box(8, 9), 1)
    assert [holds for _, holds in turns(domain.group, domain.group)] == [True] * 8
    found = {str(matrix): holds for matrix, holds in turns(certificate.strict, certificate.domain.group)}
    assert len(found) == 4 and found["[[1, 0], [0, 1]]"] and found["[[-1, 0], [0, 1]]"]
    assert not found["[[1, 0], [0, -1]]"]  # 9 columns are not tiled by windows of 2


def test_the_share_falls_with_the_index() -> None:
    whole = eq.torus(16, 16).group
    groups = ["Z × Z ⋊ 4mm", "Z × Z", "2Z × 2Z", "8Z × 8Z", "trivial"]
    found = [share(eq.SpaceGroup.parse(name, 2, whole.periods), whole) for name in groups]
    assert found == sorted(found, reverse=True) and len(set(found)) == len(found)
    assert (found[0], found[-1]) == (1.0, 0.0)


REPAIRED = [
    ("torus", "max", "circular", 32, "Z × Z", ["polyphase sampling (APS) instead of max pooling"]),
    ("torus", "max", "circular", 33, "4Z × 4Z", ["size 32 instead of 33"]),
    ("torus", "stride", "zero", 32, "2Z × 2Z", None),
    ("torus", "blur", "circular", 32, "4mm", ["group 4mm instead of plain convolutions"]),
    ("box", "max", "zero", 33, "4", None),
    ("plane", "max", "zero", 32, "Z × Z", ["polyphase sampling (APS) instead of max pooling"]),
]


@pytest.mark.parametrize(("domain", "down", "padding", "size", "wish", "said"), REPAIRED)
def test_the_cheapest_repair(
    domain: str, down: str, padding: str, size: int, wish: str, said: list[str] | None
) -> None:
    """It has what was asked for, and nothing that was tried before it has."""
    setting = replace(default("small_cnn"), domain=domain, down=down, padding=padding, size=size, wish=wish)

    def met(other: Setting) -> bool:
        return is_met(built_in(other, SMALL, 1), other)

    assert not met(setting)
    found = cheapest(setting, met)
    assert found is not None
    certificate = eq.certify(build("small_cnn", **SMALL, **found.arguments), domain_of(found), 1)
    assert Requirement(wish, dim=2).holds_for(certificate)
    assert said is None or changes(setting, found) == said
    assert changes(setting, found) and found.wish == wish
    before = list(candidates(setting))
    assert not any(met(other) for other in before[: before.index(found)])


def test_a_search_that_is_not_wanted_any_more_ends() -> None:
    asked: list[Setting] = []
    setting = default("small_cnn")
    assert cheapest(setting, lambda other: bool(asked.append(other)), lambda: len(asked) < 3) is None
    assert len(asked) == 3
    assert cheapest(setting, lambda other: False) is None
    assert setting not in candidates(setting)


def test_a_network_of_ones_own_is_repaired_by_edits_of_its_layers() -> None:
    net = eq.Sequential(eq.Conv(2, 3), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool())
    mine, setting = own(net), Setting(OWN, size=8, wish="2Z × 2Z")
    assert not is_met(mine, setting)
    found = own_repair(mine, setting)
    assert not isinstance(found, Lack)
    edits, made = found
    assert edits == ["circular padding in Conv(2, 3) (layer 0)"] and made.edit == "torus:8:2Z × 2Z"
    assert read(made.as_query(), (OWN,)) == made
    after = edited(mine, made)
    assert is_met(after, made) and after.edits == tuple(edits) and after.net != net
    assert edited(mine, setting) is mine
    hopeless = own_repair(own(eq.Sequential(eq.Conv(2, 3))), Setting(OWN, size=8, wish="4mm"))
    assert isinstance(hopeless, Lack) and any("group network" in remedy for remedy in hopeless.remedies)


def test_an_edit_takes_the_place_of_the_one_before() -> None:
    """What the button says is what the network has afterwards, whatever was applied before."""
    mine = own(eq.Sequential(eq.Conv(2, 3), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool()))
    now = Setting(OWN, size=9, wish="2Z × 2Z")
    for wish in ("2Z × 2Z", "Z × Z", "2Z × 2Z"):
        asked = replace(now, wish=wish)
        found = own_repair(mine, asked)
        assert not isinstance(found, Lack)
        edits, now = found
        assert is_met(edited(mine, now), now)
        assert set(edited(mine, now).edits) == set(edits), (edits, now)
    back = own_repair(own(eq.GlobalAvgPool()), Setting(OWN, size=8, wish="Z × Z", edit="torus:8:4mm"))
    assert back == (["the network as it came"], Setting(OWN, size=8, wish="Z × Z"))


def test_an_edit_is_that_of_the_domain_it_was_asked_on() -> None:
    mine = own(eq.Sequential(eq.MaxPool(3, 2, padding=1), eq.Flatten(), eq.Dense(2)))
    asked = Setting(OWN, domain="box", size=8, wish="4mm")
    found, around = own_repair(mine, asked), own_repair(mine, replace(asked, domain="torus"))
    assert not isinstance(found, Lack) and not isinstance(around, Lack)
    assert found[0] != around[0] and found[1].edit == "box:8:4mm"
    shown = Explorer(asked, mine).answer(found[1].as_query())
    assert shown["met"] and shown["edits"] == found[0]


PAIR = (eq.Conv(2, 3, padding="circular"), eq.MaxPool(2))
MEASURED = [
    ("torus", (*PAIR, eq.GlobalAvgPool()), 64, 16),
    ("box", (eq.MaxPool(2), eq.GlobalAvgPool()), 8, 8),
    ("plane", PAIR, 2, 2),
]


@pytest.mark.parametrize(("domain", "layers", "asked", "kept"), MEASURED)
def test_a_measurement_beside_what_is_certified(
    domain: str, layers: tuple[eq.Layer, ...], asked: int, kept: int
) -> None:
    found = measure(own(eq.Sequential(*layers)), Setting(OWN, domain=domain, size=8))
    assert found["verdict"] == "passed" and len(found["errors"]) == asked
    assert sum(error <= found["tolerance"] for _, _, error in found["errors"]) == kept


def test_a_network_that_loses_all_shifts_holds_at_none() -> None:
    found = measure(own(eq.Sequential(eq.Conv(2, 3), eq.GlobalAvgPool())), Setting(OWN, size=6))
    assert sum(error <= found["tolerance"] for _, _, error in found["errors"]) == 1
    with pytest.raises(ValueError, match="check it on a torus"):
        measure(own(eq.GlobalAvgPool()), Setting(OWN, domain="plane"))


@pytest.mark.parametrize("group", ["none", pytest.param("4mm", marks=pytest.mark.slow)])
def test_answers_take_less_than_200_ms(group: str) -> None:
    """Of a processor, each answer for the first time, the median over three sizes."""
    for name in NAMES:
        if "group" not in choices(name):
            continue
        setting, taken = replace(default(name), group=group), []
        for size in (128, 256, 384):
            changed = replace(setting, size=size)
            started = time.process_time()
            assert "error" not in answer(built_in(changed), changed)
            taken.append(time.process_time() - started)
        assert np.median(taken) < 0.2, (name, taken)
