"""What happens where packages that encoders need are missing, whole or in half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).resolve().parents[2]
VERIFY = WORKER.parent / "scripts" / "python" / "verify_worker.py"
HEAVY = ("transformers", "open_clip", "timm", "torchvision", "huggingface_hub", "trimesh", "tokenizers")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=WORKER, capture_output=True, text=True, check=False
    )


def hidden(*names: str) -> str:
    """Python's own way to say that a module cannot be imported."""
    return f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n"


def test_the_registry_needs_none_of_them() -> None:
    done = run(hidden(*HEAVY) + "from cmcr_worker.encoders.registry import PROVIDERS; print(len(PROVIDERS))")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 4


def test_the_registry_loads_none_of_them() -> None:
    done = run(
        f"import sys, cmcr_worker.encoders.registry; print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize(
    "module", ["open_clip.model", "timm.layers", "torchvision.transforms.functional", "sentencepiece"]
)
def test_half_a_package_shows_when_the_worker_is_installed(module: str) -> None:
    done = run(hidden(module) + f"import runpy; runpy.run_path({str(VERIFY)!r}, run_name='__main__')")
    assert done.returncode != 0
    assert module.split(".")[0] in done.stderr


def test_a_whole_environment_passes() -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFY)], cwd=WORKER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"torch"' in done.stdout
