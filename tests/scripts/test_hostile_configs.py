"""Whatever a config file does or holds, a run is accepted, or refused in one line before anything is written.

Configs are made from a right one by seeded changes: values that make no sense or are of another kind, entries that no
setting has, and files that end the program, raise, return something else or are no Python.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.lines import MEMORY, little_memory, load_scripts, run_line

RIGHT = {
    "name": "'x'",
    "seed": "3",
    "size": "16",
    "batch": "32",
    "epochs": "2",
    "progress": "False",
    "model": "{'name': 'small_cnn', 'features': (2, 2), 'classes': 10}",
    "optimiser": "{'name': 'sgd', 'warmup_steps': 2}",
    "augment": "{'crop': 2}",
}
ENTRIES = (
    *(
        "name",
        "seed",
        "dataset",
        "data_dir",
        "size",
        "model",
        "optimiser",
        "augment",
        "precision",
        "temperature",
        "ema",
    ),
    *(
        "batch",
        "epochs",
        "log_every",
        "eval_epochs",
        "checkpoint_every",
        "tensorboard",
        "progress",
        "smoke",
        "epoch",
        "x",
    ),
)
PARTS = {
    "optimiser": (
        "name",
        "learning_rate",
        "schedule",
        "warmup_steps",
        "milestones",
        "weight_decay",
        "momentum",
        "clip",
        "y",
    ),
    "augment": ("shift", "crop", "flip", "rotate"),
    "model": (
        "name",
        "features",
        "classes",
        "kernel",
        "down",
        "padding",
        "readout",
        "norm",
        "group",
        "dim",
        "match",
        "z",
    ),
}
WHOLE = ("-1", "0", "1", "-5", "7", "10**12", "2**63", "-(2**63)", "2**31", "2**32", "10**5000")
REAL = ("1e30", "1e-320", "0.5", "-0.1", "1.0", "float('nan')", "float('inf')", "-float('inf')", "1.5", "5.0", "0.999")
OTHER = (
    "True",
    "False",
    "None",
    "''",
    "'abc'",
    "'x' * 3000",
    "'a\\nb'",
    "'\\x00'",
    "'[/x]'",
    "'sgd'",
    "'cosine'",
    "'p4'",
    "'4mm'",
)
NESTED = (
    "()",
    "(1,)",
    "(0.9, 0.1)",
    "(0.2, 0.2)",
    "(0, 1)",
    "(0.3, float('nan'))",
    "[1, [2]]",
    "(4, 8)",
    "('a',)",
    "(1,) * 40",
)
ODD = (
    "{}",
    "{'a': 1}",
    "{'name': {'a': 1}}",
    "1j",
    "b'x'",
    "object()",
    "len",
    "{1, 2}",
    "range(3)",
    "{1: 2}",
    "...",
    "[{}]",
)
VALUES = (WHOLE, WHOLE, WHOLE, REAL, REAL, OTHER, OTHER, NESTED, ODD)
FILES = (
    "",
    "def get_config(:",
    "import nothing_like_this",
    "raise SystemExit(0)",
    "raise SystemExit('stop')",
    "exit()",
    "1 / 0",
    "get_config = 3",
    "def get_config(): return None",
    "def get_config(): return 3",
    "def get_config(): return {'seed': 1}",
    "def get_config(a, b): return None",
    "def get_config(): raise KeyError('x')",
    "def get_config(): raise ValueError",
    "def get_config(): raise ValueError('one\\ntwo\\nthree')",
    "def get_config(): raise RuntimeError('')",
    "def get_config(): raise OSError(28, 'No space left on device')",
    "def get_config(): raise Exception('%s {} \\x1b[31m')",
    "def get_config(): return get_config()",
    "def get_config(): return open('/nowhere/x')",
    "def get_config(): assert False",
    "def get_config(): return [].x",
    "class E(BaseException): pass\ndef get_config(): raise E('base')",
    "def get_config(): raise StopIteration",
    "def get_config(): raise UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'bad')",
    "(" * 300,
    "x = 1\n  y = 2",
    "\x00",
    "# -*- coding: nothing -*-",
    "import ml_collections\nget_config = ml_collections.ConfigDict",
    "from ml_collections import ConfigDict, config_dict\n"
    "def get_config(): return ConfigDict({'seed': config_dict.placeholder(int)})",
    "from ml_collections import ConfigDict, config_dict\n"
    "def get_config(): return ConfigDict({'seed': config_dict.required_placeholder(int)})",
    "from ml_collections import ConfigDict\ndef get_config():\n  c = ConfigDict({'model': {}}); c.model = c; return c",
)
ARGUMENTS = ("", "", "", "", ":", ":x", ":x:y")
OVERRIDES = (
    *(
        "--config.batch=0",
        "--config.epoch=3",
        "--config.model.group=p4",
        "--config.model.features=(",
        "--config.seed=nan",
    ),
    *(
        "--config.optimiser=1",
        "--config.optimiser.clip=-1",
        "--config.model=fcn",
        "--config.smoke=maybe",
        "--config.seed",
    ),
    *(
        "--config.model.features[0]=3",
        "--config.model.name=small_cn",
        "--config.a.b.c=1",
        "--config..=1",
        "--noconfig.smoke",
    ),
)


def configs(seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """`(text of a config file, further arguments)`."""
    chance = random.Random(seed)
    for number in range(count):
        if number % 4 == 3:
            yield (
                FILES[(number // 4 + seed * 7) % len(FILES)],
                [chance.choice(ARGUMENTS), *chance.sample(OVERRIDES, chance.choice((0, 0, 1)))],
            )
            continue
        entries = dict(RIGHT)
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            name = chance.choice(ENTRIES)
            if name in PARTS and chance.random() < 0.9:
                part = chance.choice(PARTS[name])
                entries[name] = entries[name][:-1] + f", {part!r}: {chance.choice(chance.choice(VALUES))}}}"
            else:
                entries[name] = chance.choice(chance.choice(VALUES))
        made = ", ".join(f"{name!r}: {value}" for name, value in entries.items())
        text = f"from ml_collections import ConfigDict\ndef get_config():\n  return ConfigDict({{{made}}})\n"
        yield text, [":x" if number % 20 == 0 else "", *chance.sample(OVERRIDES, chance.choice((0, 0, 0, 1)))]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seed", "count"), [pytest.param(0, 64, id="some"), pytest.param(1, 300, id="many", marks=pytest.mark.slow)]
)
def test_hostile_configs(seed: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_scripts(monkeypatch, ("train",))["train"]
    faults, ends = [], Counter()
    with little_memory() as taken:
        for number, (text, (argument, *overrides)) in enumerate(configs(seed, count)):
            file = tmp_path / f"config{number}.py"
            file.write_text(text)
            ended = run_line(script, [f"--config={file.name}{argument}", "--workdir=run", *overrides], tmp_path)
            ends[ended.status] += 1
            if ended.fault:
                faults.append(f"{text:.1500} {argument} {overrides}: {ended.fault:.900}")
        assert taken() < MEMORY
    print(f"{count} configs, seed {seed}; statuses: {dict(ends)}; {len(faults)} faults")
    assert not faults, "\n".join(faults)
    assert ends[2] > count // 3
    assert ends[None] > count // 20
