"""A sweep on several devices gives the report of one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments.launching import with_devices

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
import jax
import equinet as eq
from equinet.verify.program import Spread

assert jax.device_count() == int(sys.argv[1])
net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu(), eq.PolyphasePool(2), eq.Conv(4, 3, padding="zero"))
domain = eq.torus(8, 8)
bound = net.bind(net.init(jax.random.key(0), (8, 8, 1)))
claim = eq.certify(eq.Sequential(*net.layers[:3]), domain, channels=1)
report = eq.verify(bound, claim, mode="sweep", key=0, chunk=12, progress=False)
spread = Spread.over_local_devices()
places = 1 if spread is None else len(spread.shared(jax.numpy.zeros(16)).devices())
found = eq.discover(bound, domain, key=0, progress=False)
print(json.dumps({"errors": list(report.errors.values()), "places": places, "strict": str(found.strict)}))
"""


def swept(devices: int) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(devices)],
        cwd=ROOT,
        env=with_devices(devices),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_eight_devices_measure_what_one_does() -> None:
    one, eight = swept(1), swept(8)
    assert (one["places"], eight["places"]) == (1, 8)
    assert eight["errors"] == pytest.approx(one["errors"], abs=1e-5)
    assert max(one["errors"]) > 0.1
    assert one["strict"] == eight["strict"]
