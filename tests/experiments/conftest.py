"""What several modules of tests here look at."""

from pathlib import Path

import pytest

from tests.experiments.launching import built_once, finish, launch
from tests.experiments.test_resume import LONG


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbs, to compare others with; it is only read."""
    return built_once(tmp_path_factory, "whole", lambda workdir: finish(launch(workdir, LONG)))
