"""The command line of `query` and `sweep`: what they print, and how they fail."""

import json
from pathlib import Path
from types import ModuleType

import jax
import pytest

import equinet as eq
from equinet import models
from equinet.cli import query, suggest, sweep
from equinet.cli.domain import read_domain, read_sizes
from equinet.cli.subject import config_model, read_arguments
from equinet.train.checkpoint import Checkpoints
from equinet.train.trainer import TrainState
from tests.experiments.launching import call
from tests.scripts.lines import run_line

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--model=small_cnn", "--model_args=features=(2,2),classes=3", "--size=8")


def prints(script: ModuleType, folder: Path, *arguments: str, status: int = 0) -> str:
    """What a command prints that ends with a status."""
    ended = run_line(script, arguments, folder)
    assert (ended.status, ended.err, ended.escaped) == (status, "", None), ended
    return ended.out


def fails(script: ModuleType, folder: Path, *arguments: str) -> str:
    """The one line of a command that is used wrongly or fails."""
    ended = run_line(script, arguments, folder)
    assert ended.status in (1, 2), ended
    assert not ended.fault
    return ended.err


def test_query_prints_the_ledger(tmp_path: Path) -> None:
    found = prints(query, tmp_path, *SMALL)
    assert found.startswith("small_cnn(features=(2, 2), classes=3): ")
    assert "stage 0.2  MaxPool(2)" in found
    assert "strict      2Z × 2Z (p1, index 4)" in found
    assert "Relu" not in found and "Relu" in prints(query, tmp_path, *SMALL, "--ledger")


def test_query_over_a_point_group(tmp_path: Path) -> None:
    flat = ("--model_args=group=4,down=aps,features=(4,4)", "--size=8")
    assert "invariance  Z × Z ⋊ 4 (p4, index 1)" in prints(query, tmp_path, "--model=fcn", *flat)
    solid = ("--model_args=group=m-3m,down=aps,features=(1,1)", "--size=4", "--dim=3")
    assert "invariance  Z × Z × Z ⋊ m-3m" in prints(query, tmp_path, "--model=fcn", *solid)


def test_query_as_json(tmp_path: Path) -> None:
    asks = ("--require=Z × Z", "--legal_sizes", "--sizes=4:20")
    found = json.loads(prints(query, tmp_path, *SMALL, "--json", *asks, status=1))  # not met
    assert found["domain"] == "torus(8, 8)"
    assert found["strict"]["name"] == "2Z × 2Z (p1, index 4)"
    assert found["require"] == {"group": "Z × Z", "of": "strict", "met": False}
    assert found["legal_sizes"]["congruence"] == "no n"


def test_suggestions_as_json(tmp_path: Path) -> None:
    found = json.loads(prints(suggest, tmp_path, *SMALL, "--json", "--require=Z × Z", "--nomeasure"))
    assert not found["require"]["met"] and found["lack"] is None
    assert found["suggestions"][0]["strict"] == "Z × Z (p1, index 1)"


def test_query_says_why_nothing_is_found_and_what_would_help(tmp_path: Path) -> None:
    sizes = prints(query, tmp_path, *SMALL, "--require=4mm", "--legal_sizes", "--sizes=8:12", status=1)
    assert "legal sizes  no n: on torus(12, 12) it is lost at layer stage 0.0" in sizes
    edits = prints(suggest, tmp_path, *SMALL, "--require=4mm", "--nomeasure", status=1)
    assert "no suggestion: on torus(8, 8) it is lost at layer stage 0.0" in edits
    for found in (sizes, edits):
        assert "would help: a group network: it holds with GroupConv over 4mm in place of Conv" in found


@pytest.mark.parametrize(
    ("require", "status"),
    [("2Z × 2Z", 0), ("trivial", 0), ("Z × Z", 1), ("4mm", 1), ("5mm", 2), ("Z", 2), ("p4m at", 2), ("", 2)],
)
def test_a_requirement_is_a_gate(require: str, status: int, tmp_path: Path) -> None:
    """0 where it is met, 1 where it is not, 2 where it is no group: JSON and text alike."""
    for more in ((), ("--json",)):
        ended = run_line(query, [*SMALL, f"--require={require}", *more], tmp_path)
        assert (ended.status or 0, bool(ended.err)) == (status, status == 2), ended


def test_query_of_a_config_on_a_mixed_domain(tmp_path: Path) -> None:
    asked = (f"--config={ROOT}/configs/fashion.py:max", "--domain=periodic:32,bounded:33")
    assert "domain(32°, 33)" in prints(query, tmp_path, *asked)


SMOOTH = ("--model=small_cnn", "--model_args=features=(2,2),down=ideal,activation=polynomial", "--size=8")


@pytest.mark.parametrize(("require", "met"), [("R × R", True), ("½Z × ½Z", True), ("Z × Z", True), ("4mm", False)])
def test_query_of_real_shifts(require: str, met: bool, tmp_path: Path) -> None:
    asked = (*SMOOTH, "--translations=real", f"--require={require}")
    found = prints(query, tmp_path, *asked, status=int(not met))
    assert "strict      R × R" in found and f"{require} {'is' if met else 'is not'} contained" in found
    relus = ("--model=small_cnn", "--model_args=features=(2,2)", *asked[2:])
    assert "frequencies without bound fold on 8 nodes" in prints(query, tmp_path, *relus, status=1)


@pytest.mark.thorough
def test_sweep_of_real_shifts(tmp_path: Path) -> None:
    """The claim holds between nodes, and one that is too large does not pass."""
    asked = ("--notune_cpu", "--translations=real", "--json", "--dtype=float64")
    found = json.loads(prints(sweep, tmp_path, *SMOOTH, *asked))
    assert found["certified"] == found["group"] == "R × R" and found["agrees"] and found["worst"]["error"] < 1e-10
    assert any("/" in str(t) for each in found["elements"] for t in each["shift"])
    (tmp_path / "mine.py").write_text(
        "import equinet as eq\n\n\nclass Wrong(eq.Relu):\n    def symmetry(self, field):\n"
        "        return field.pointwise('monotone', degree=1)\n\n\nwrong = Wrong()\n"
    )
    wrong = (sweep, tmp_path, "--call=mine.py:wrong", "--size=8", "--dim=1", *asked)
    found = json.loads(prints(*wrong, "--mode=discover", status=1))
    assert found["certified"].startswith("R") and found["strict"] == "Z (index 1)" and not found["agrees"]
    found = json.loads(prints(*wrong, status=1))
    assert found["verdict"] == "failed" and not found["agrees"] and found["worst"]["error"] > 1e-3


def test_suggestions_of_real_shifts(tmp_path: Path) -> None:
    found = prints(suggest, tmp_path, *SMALL, "--require=R × R", "--of=invariance", "--nomeasure")
    assert "AliasFree(Polynomial(2)), and ideal resampling" in found and "invariance R × R" in found
    assert "has R × R already" in prints(suggest, tmp_path, *SMOOTH, "--require=R × R")


@pytest.mark.thorough
def test_sweep_measures(tmp_path: Path) -> None:
    figure = tmp_path / "errors.png"
    found = json.loads(prints(sweep, tmp_path, *SMALL, "--mode=sweep", "--json", f"--figure={figure}", "--trials=2"))
    assert found["agrees"]
    assert found["tight"]
    assert len(found["elements"]) == 8 * 64
    assert figure.stat().st_size > 1000


def test_sweep_in_a_process_of_its_own_tunes_the_cpu() -> None:
    done = call("scripts.sweep", *SMALL[:2], "--size=4", "--dim=1", "--json", "--trials=1")
    assert done.returncode == 0 and json.loads(done.stdout)["agrees"], done.stderr


def test_sweep_of_trained_weights(tmp_path: Path) -> None:
    net = models.small_cnn((2, 2), classes=3)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, TrainState(net.init(jax.random.key(3), (8, 8, 1)), (), None, {}))
    found = prints(sweep, tmp_path, *SMALL, "--channels=1", f"--workdir={tmp_path}", "--trials=2", "--notune_cpu")
    assert "PASSED: 2Z × 2Z (p1, index 4) on torus(8, 8)" in found


def test_sweep_discovers(tmp_path: Path) -> None:
    asked = ("--model=small_cnn", "--model_args=features=(2,2)", "--size=8", "--dim=1", "--mode=discover")
    assert "certified  2Z (index 2)" in prints(sweep, tmp_path, *asked, "--notune_cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model=resnt",), "no model 'resnt': did you mean resnet"),
        (("--model=resnet", "--model_args=dept=18"), "no argument of resnet 'dept': did you mean depth"),
        (("--model=resnet", "--modle_args=depth=18"), "no flag --modle_args: did you mean --model_args"),
        ((f"--config={ROOT}/configs/fashon.py",), f"did you mean {ROOT}/configs/fashion.py"),
        (("--model=fcn", "--model_args=group=p5"), "fcn: group must be a symbol"),
        ((*SMALL, "--domain=tours"), "no domain 'tours': did you mean torus"),
        ((*SMALL, "--size=1_6"), "--size needs whole numbers, such as 32 or 32,48; got '1_6'"),
        ((*SMALL, "--size=8x"), "--size needs whole numbers, such as 32 or 32,48; got '8x'"),
        ((*SMALL, "--size=1"), "stage 0"),
        (("--model=small_cnn", "--model_args=name=fcn"), "--model_args has a name"),
        (
            ("--model=small_cnn", "--model_args=kernel=1000000"),
            "kernel must be integers of at most 65536; got 1000000",
        ),
        (("--model", "--size=8"), "--model lacks a value: what follows it is --size=8"),
        (("--config=configs/fashion.py", "--config=configs/sizes.py"), "--config is given 2 times"),
        ((*SMALL, "--legal_sizes"), "--legal_sizes needs --require"),
        ((*SMALL, "--require=5mm"), "5mm"),
        ((*SMALL, "--require=R × R"), "--require=R × R has shifts finer than a node: add --translations=real"),
        ((*SMALL, "--translations=real", "--domain=box"), "asks about a torus"),
        (
            (*SMALL, "--translations=real", "--legal_sizes", "--require=Z × Z"),
            "--legal_sizes goes by shifts of whole nodes: leave out --translations=real",
        ),
        ((), "say which network"),
    ],
)
def test_query_fails_in_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in fails(query, tmp_path, *arguments)


def test_sweep_fails_in_one_line(tmp_path: Path) -> None:
    assert "--figure draws" in fails(sweep, tmp_path, *SMALL, "--mode=discover", "--figure=x.png")
    for flag in ("--mode=cosets", "--figure=x.png", "--shifts_only", "--dtype=bfloat16"):
        assert f"{flag}: not with --translations=real" in fails(sweep, tmp_path, *SMALL, "--translations=real", flag)
    assert "no checkpoint" in fails(sweep, tmp_path, *SMALL, "--notune_cpu", "--workdir=/nowhere")
    assert "a batch of inputs would take" in fails(
        sweep, tmp_path, "--model=small_cnn", "--size=4096", "--channels=4096", "--batch=65536", "--notune_cpu"
    )
    model = "--model_args=features=(8388608,8388608)"
    assert "this network would take" in fails(
        sweep, tmp_path, "--model=small_cnn", "--channels=1", model, "--notune_cpu"
    )


def test_arguments() -> None:
    assert read_arguments("") == {}
    assert read_arguments("down=aps, features=[4, 8],dropout=0.5,positions=False") == {
        "down": "aps",
        "features": [4, 8],
        "dropout": 0.5,
        "positions": False,
    }
    assert read_arguments("group=[[[0,1],[1,0]]],down=aps") == {"group": [[[0, 1], [1, 0]]], "down": "aps"}
    with pytest.raises(ValueError, match="--model_args has down twice"):
        read_arguments("down=aps,down=max")
    with pytest.raises(ValueError, match="cannot read 'depth' in --model_args: write key=value pairs"):
        read_arguments("depth")


def test_domains() -> None:
    assert read_domain("torus", "8", 1) == eq.torus(8)
    assert read_domain("torus", "8", None, 3) == eq.torus(8, 8, 8)
    assert read_domain("box", "8,9") == eq.box(8, 9)
    assert read_domain("plane", None) == eq.plane(2)
    assert read_domain("periodic:8,bounded:9,infinite", None, 3) == eq.Domain(
        (eq.periodic(8), eq.bounded(9), eq.infinite())
    )
    with pytest.raises(ValueError, match="no boundary 'perodic': did you mean periodic"):
        read_domain("perodic:8,bounded:9", None)
    with pytest.raises(ValueError, match="the axis 'periodic' needs a size: write periodic:32"):
        read_domain("periodic,bounded:9", None)
    with pytest.raises(ValueError, match="the axis 'infinite:3' has no size"):
        read_domain("infinite:3", None)
    with pytest.raises(ValueError, match="has 4 axes: give one to three"):
        read_domain("infinite,infinite,infinite,infinite", None)
    with pytest.raises(ValueError, match="--size goes up to 4096; got 1000000000"):
        read_domain("torus", "1000000000")
    with pytest.raises(ValueError, match="--size needs whole numbers"):
        read_domain("torus", "")
    with pytest.raises(ValueError, match="one to three sizes"):
        read_domain("torus", "8,8,8,8")


def test_flags_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="gives the size of each axis: leave out --size=64"):
        read_domain("periodic:8,bounded:9", "64")
    with pytest.raises(ValueError, match="--domain=periodic:8,bounded:9 has 2 axes, --dim=3 says otherwise"):
        read_domain("periodic:8,bounded:9", None, 3)
    with pytest.raises(ValueError, match="--size=32,32 has 2 axes, --dim=3 says otherwise"):
        read_domain("torus", "32,32", 3)


@pytest.mark.parametrize(
    ("config", "domain", "channels"),
    [("one_d.py:watch-aps", "torus(128)", 6), ("volume.py:max_mirror", "torus(32, 32, 32)", 1)],
)
def test_a_config_is_asked_about_inputs_like_its_data(config: str, domain: str, channels: int, tmp_path: Path) -> None:
    found = json.loads(prints(query, tmp_path, f"--config={ROOT}/configs/{config}", "--json"))
    assert (found["domain"], found["channels"]) == (domain, channels)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"config": {"model": {"name": "small_cnn", "down": "max"}}}))
    answer = fails(
        sweep,
        tmp_path,
        "--notune_cpu",
        "--model=small_cnn",
        "--channels=1",
        "--model_args=down=aps",
        "--size=8",
        f"--workdir={tmp_path}",
    )
    assert "holds the weights of another network: small_cnn(down=max), not small_cnn(down=aps)" in answer


def test_a_figure_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    assert "end its name in one of ." in fails(sweep, tmp_path, *SMALL, "--figure=errors.foo")
    assert f"there is no folder {tmp_path / 'no'}" in fails(
        sweep, tmp_path, *SMALL, f"--figure={tmp_path / 'no' / 'a.png'}"
    )


def test_sizes() -> None:
    assert read_sizes("8:10") == range(8, 11)
    assert read_sizes("9") == range(9, 10)
    with pytest.raises(ValueError, match="--sizes is FIRST:LAST, such as 8:256; got '9:8'"):
        read_sizes("9:8")


def test_models_of_configs() -> None:
    assert config_model({"model": {"name": "fcn", "features": [4, 8]}}) == ({"features": (4, 8)}, "fcn")
    assert config_model({"model": "fcn", "model_args": {"down": "aps"}}) == ({"down": "aps"}, "fcn")
    with pytest.raises(ValueError, match="this config has no entry `model`"):
        config_model({})
