"""The table behind the explorer of the front page says what certificates say."""

import copy
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equinet.explore import Setting, built_in
from equinet.explore.repair import is_met
from equinet.explore.setting import wishes
from scripts import make_explorer
from scripts.make_explorer import FACTS, MODELS, SIZES, examined, key, read, settings, sizes, unpacked
from tests.browser import PHONE, browser, finished, opened, text

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    return read()


def drawn(seed: int, count: int) -> list[Setting]:
    """Settings of the table, each with a size and a group to ask for."""
    chance = random.Random(seed)
    every = [setting for model, choices in MODELS.items() for setting in settings(model, choices)]
    return [
        replace(
            setting,
            size=chance.choice(sizes(setting.domain)),
            wish=chance.choice(list(wishes(setting.domain, 2))),
        )
        for setting in chance.sample(every, count)
    ]


def faults(table: dict[str, Any], asked: list[Setting]) -> list[str]:
    """What the table says of settings that certificates do not."""
    found = []
    for setting in asked:
        said, (facts, met) = unpacked(table, setting), examined(setting)
        names = ("error",) if "error" in facts else FACTS
        wrong = [name for name in names if said.get(name) != _plain(facts[name])]
        if (said["repair"] == make_explorer.MET) != met[setting]:
            wrong.append("met")
        if isinstance(said["repair"], dict):
            mended = replace(setting, **{**said["repair"]["set"]})
            mended = replace(mended, size=int(mended.size))
            wrong += [] if is_met(built_in(mended), mended) else ["repair"]
        found += [f"{key(setting)} at {setting.size}: {', '.join(wrong)}"] if wrong else []
    return found


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON has."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def test_the_table_has_every_setting(table: dict[str, Any]) -> None:
    every = [setting for model, choices in MODELS.items() for setting in settings(model, choices)]
    assert table["cells"].keys() == {key(setting) for setting in every}
    assert all(len(table["cells"][key(setting)]) == len(sizes(setting.domain)) for setting in every)
    assert tuple(table["sizes"]) == SIZES and tuple(table["entries"]) == FACTS
    assert unpacked(table, replace(every[0], size=32))


def test_answers_are_those_of_certificates(table: dict[str, Any]) -> None:
    assert faults(table, drawn(0, 12)) == []


@pytest.mark.slow
def test_many_answers_are_those_of_certificates(table: dict[str, Any]) -> None:
    assert faults(table, drawn(1, 150)) == []


def test_a_wrong_table_is_found(table: dict[str, Any]) -> None:
    setting = Setting("small_cnn", "max", "circular", "gap", "none", "torus", 32, "Z × Z")
    assert faults(table, [setting]) == []
    wrong = copy.deepcopy(table)
    cells = wrong["cells"][key(setting)]
    cells[SIZES.index(32)] = cells[SIZES.index(33)]
    assert "sentence" in faults(wrong, [setting])[0]
    claimed = copy.deepcopy(table)
    claimed["repairs"][key(setting)][SIZES.index(32)][0] = make_explorer.MET
    assert "met" in faults(claimed, [setting])[0]
    useless = copy.deepcopy(table)
    useless["changes"].append({"edits": ["nothing"], "set": {"padding": "zero"}})
    useless["repairs"][key(setting)][SIZES.index(32)][0] = len(useless["changes"]) - 1
    assert "repair" in faults(useless, [setting])[0]


def front_page(folder: Path) -> str:
    """A page with the explorer as on the front page of the documentation; its address as a file."""
    (folder / "_static").symlink_to(ROOT / "docs" / "explorer")
    shown = re.search(r"```\{raw\} html\n(.*?)```", (ROOT / "docs" / "index.md").read_text(), re.S)
    assert shown is not None
    html = shown[1].replace("_static/explorer", f"{ROOT.as_uri()}/equinet/explore/page/explorer")
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>docs</title><body>{html}</body></html>'
    )
    return page.as_uri()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 900), PHONE])
def test_the_front_page_answers_without_a_server(table: dict[str, Any], tmp_path: Path, size: tuple[int, int]) -> None:
    address = front_page(tmp_path)
    with browser() as started, opened(started, address, size) as (page, complaints):
        finished(page)
        assert page.url == address  # it is a permalink once a control was changed
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        for setting in drawn(2, 5):
            page.goto(f"{address}?{'&'.join(f'{name}={value}' for name, value in setting.as_query().items())}")
            finished(page)
            said = unpacked(table, setting)
            shown = text(page, ".eqx-error" if "error" in said else ".eqx-sentence")
            assert shown.lower() == said["error" if "error" in said else "sentence"].lower()
            if "error" not in said:
                assert page.locator(".eqx-repair button").count() == isinstance(said["repair"], dict)
        page.goto(f"{address}?model=small_cnn&down=max")
        finished(page)
        page.click("button[name=apply]")
        page.wait_for_function("document.querySelector('.eqx-sentence').innerText == 'Invariant under every shift'")
        assert "down=aps" in page.url and page.url.endswith("#explorer")
        assert not complaints
