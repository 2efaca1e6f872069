"""Imports all that the worker needs, computes once on the device, and prints versions and device as JSON."""

import json
import platform

import grpc
import grpc_health.v1.health
import grpc_reflection.v1alpha.reflection
import grpc_tools.protoc
import numpy
import PIL
import safetensors.torch
import soundfile
import soxr
import torch

torch.set_num_threads(1)
mps = torch.backends.mps.is_available()
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
            "mps": mps,
            "numpy": numpy.__version__,
            "grpcio": grpc.__version__,
        }
    )
)
