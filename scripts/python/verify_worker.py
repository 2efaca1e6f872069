"""Imports all that the worker needs, computes once on the device, and prints versions and device as JSON."""

import importlib
import json
import platform
import sys
from pathlib import Path

import grpc
import numpy as np
import torch

# Not used here, but by the worker: a package of which half is missing shows now.
OTHERS = (
    "PIL.Image",
    "google.rpc.error_details_pb2",
    "grpc_health.v1.health",
    "grpc_reflection.v1alpha.reflection",
    "grpc_tools.protoc",
    "huggingface_hub",
    "safetensors.torch",
    "sentencepiece",
    "soundfile",
    "soxr",
    "tokenizers",
    "trimesh",
)
# These import torchvision, whose operators are not compiled for every build of PyTorch.
WITH_TORCHVISION = (
    "torchvision.transforms",
    "timm.models.vision_transformer",
    "open_clip.factory",
    "transformers.models.auto.modeling_auto",
    "transformers.models.clip.modeling_clip",
)
WORKER = Path(__file__).resolve().parents[2] / "py-worker"


def main() -> None:
    """Fails with a message where a module cannot be imported or a product is wrong."""
    for name in OTHERS:
        importlib.import_module(name)
    # As the worker does it; the interpreter was told to look at nothing but its own environment.
    sys.path.append(str(WORKER))
    importlib.import_module("cmcr_worker.encoders.torchvision_import").import_torchvision()
    for name in WITH_TORCHVISION:
        importlib.import_module(name)
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    total = float((torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum())
    if total != 512.0:
        raise SystemExit(f"a product of two 8 x 8 matrices of ones sums to {total} on {device}, not to 512")
    print(
        json.dumps(
            {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "cuda": torch.version.cuda,
                "device": device,
                "deviceName": torch.cuda.get_device_name(0) if device == "cuda" else platform.machine(),
                "mps": torch.backends.mps.is_available(),
                "numpy": np.__version__,
                "grpcio": grpc.__version__,
            }
        )
    )


main()
