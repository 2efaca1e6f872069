"""Common to the worker's tests: the import path, one thread, and what becomes of tests for CUDA."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Two threads on shared cores can be many times slower than one, and results are compared bit by bit.
torch.set_num_threads(1)

_DESELECTED = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects tests marked `cuda` where there is no CUDA device; the summary counts them."""
    if torch.cuda.is_available():
        return
    needs_cuda = [item for item in items if item.get_closest_marker("cuda") is not None]
    config.stash[_DESELECTED] = len(needs_cuda)
    if needs_cuda:
        config.hook.pytest_deselected(items=needs_cuda)
        items[:] = [item for item in items if item not in needs_cuda]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was not run, so that nobody takes it for passed."""
    count = config.stash.get(_DESELECTED, 0)
    if count:
        terminalreporter.write_line(
            f"cuda: {count} tests deselected, no CUDA device on this machine", yellow=True
        )
