"""Shared fixtures: the recorded data where it is present, and a generator with a fixed seed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from kuroshio import clock

settings.register_profile(
    "ci", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of recorded data beside the checkout (KUROSHIO_DATA overrides); skips where it is absent."""
    folder = Path(os.environ.get("KUROSHIO_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"recorded data not present at {folder}: set KUROSHIO_DATA")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Generator with a fixed seed."""
    return clock.generator(20261122)
