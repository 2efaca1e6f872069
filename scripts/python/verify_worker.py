"""Imports all that the worker needs, computes once on the device, and prints versions and device as JSON."""

import importlib
import json
import platform

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
    "safetensors.torch",
    "soundfile",
    "soxr",
    "tokenizers",
    "transformers.utils",
    "trimesh",
)


def main() -> None:
    """Fails with a message where a module cannot be imported or a product is wrong."""
    for name in OTHERS:
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
