"""What every test shares: seeds, thread count, and hypothesis profiles.

Kernels are compiled into the user's own cache directory, so that a second run of the tests compiles nothing.
Tests that are about the cache set DESCEND_CACHE_DIR themselves.
"""

from collections.abc import Iterator

import numpy
import pytest
import torch
from hypothesis import HealthCheck, settings

# Compiling a kernel inside an example takes a second, so examples have no deadline.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", max_examples=60, derandomize=True, **COMMON)  # the default: same examples every time
settings.register_profile("thorough", max_examples=1000, **COMMON)  # `make test-slow`: new examples every time
settings.load_profile("ci")

THREADS = 2


@pytest.fixture(autouse=True)
def _seeded_and_two_threads() -> Iterator[None]:
    """Starts each test from the same random state with two threads, and undoes what it set for the next one."""
    dtype = torch.get_default_dtype()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    numpy.random.seed(0)  # noqa: NPY002 - scikit-learn and others draw from the global generator
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(THREADS)
