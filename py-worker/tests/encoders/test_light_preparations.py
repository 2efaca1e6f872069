"""What encoders leave to decoder processes: it gives the same there, and needs no heavy library."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tiny_clap import write_clap
from tiny_huggingface import photos, write_clip, write_siglip
from tiny_open_clip import write_open_clip
from tiny_ulip import TINY, random_state, write_checkpoint

from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pool import DecoderPool
from cmcr_worker.decoding.registry import decoder
from cmcr_worker.encoders.protocol import Encoder
from cmcr_worker.encoders.registry import provider
from cmcr_worker.encoders.ulip.provider import UlipProvider

CPU = torch.device("cpu")
HEAVY = {"torch", "transformers", "open_clip", "timm", "torchvision", "trimesh", "grpc", "scipy"}


def image_file() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photos(2)[1]).save(buffer, "PNG")
    return buffer.getvalue()


def sound_file() -> bytes:
    buffer = io.BytesIO()
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (44_100, 2))
    soundfile.write(buffer, sound, 44_100, format="WAV")
    return buffer.getvalue()


def cloud_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(2).standard_normal((400, 3)).astype(np.float32))
    return buffer.getvalue()


FILES = {"image": image_file, "audio": sound_file, "pointcloud": cloud_file}


def load(name: str, folder: Path) -> Encoder:
    if name == "builtin":
        return provider(name).load("scenes-image-text", None, {}, CPU)
    if name == "ulip":
        checkpoint = write_checkpoint(folder / "tiny.pt", random_state(TINY))
        return UlipProvider(TINY).load("", checkpoint, {}, CPU)
    write: Any = {
        "huggingface-clip": write_clip,
        "siglip": write_siglip,
        "huggingface-clap": lambda folder: write_clap(folder, fusion=True),
        "open-clip": write_open_clip,
    }[name]
    return provider(name.replace("siglip", "huggingface-clip")).load("", write(folder / "model"), {}, CPU)


CASES = [
    ("builtin", "image"),
    ("huggingface-clip", "image"),
    ("siglip", "image"),
    ("open-clip", "image"),
    ("huggingface-clap", "audio"),
    ("ulip", "pointcloud"),
    ("ulip", "image"),
]


def arrays(prepared: Any) -> list[np.ndarray]:
    if isinstance(prepared, np.ndarray):
        return [prepared]
    if isinstance(prepared, tuple):
        return [np.asarray(part) for part in prepared]
    return [np.asarray(getattr(prepared, name)) for name in type(prepared).__dataclass_fields__]


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_a_decoder_process_prepares_alike_and_stays_light(name: str, modality: str, tmp_path: Path) -> None:
    prepare = load(name, tmp_path).preparation(modality)
    source = Encoded(name="item", data=FILES[modality]())
    here = prepare(decoder(modality)(source, Limits(), None))
    pool = DecoderPool(1)
    try:
        with pool.session(modality, prepare, Limits(), 1) as session:
            answer = session.take(session.submit(source, None), lambda: None)
    finally:
        pool.close()
    assert answer.message == ""
    assert type(answer.value) is type(here)
    for there, expected in zip(arrays(answer.value), arrays(here), strict=True):
        np.testing.assert_array_equal(there, expected)

    program = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(prepare),
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert HEAVY & set(loaded.stdout.decode().split()) == set()
