"""OpenShape's samples: a .npy file with one pickled dictionary, of a cloud, its texts and their features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from cmcr_worker.decoding.cloud_columns import cloud_of
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pickled_arrays import read_pickle
from cmcr_worker.decoding.pickled_values import RefusedPickle
from cmcr_worker.decoding.pointcloud import PointCloud

FEATURE_FIELDS = ("image_feat", "thumbnail_feat", "text_feat", "blip_caption_feat", "msft_caption_feat")
"""Features of the sample in the space of open_clip's ViT-bigG-14, as they were computed: not normalised."""


def read_sample(source: Encoded, file: BinaryIO, limits: Limits) -> Mapping[str, object]:
    """The sample's dictionary, `file` being after its header; nothing of it is run.

    Raises:
        WorkerError: DATA_CORRUPT where it asks for anything but arrays and plain values, which is then
            named, or where it is damaged or no dictionary.
    """
    content = file.read(limits.bytes + 1)
    if len(content) > limits.bytes:
        raise source.corrupt(f"has more than {limits.bytes} bytes")
    try:
        sample = read_pickle(content)
    except RefusedPickle as error:
        raise source.corrupt(str(error)) from error
    if not isinstance(sample, dict):
        raise source.corrupt(f"holds a pickled {type(sample).__name__}; expected a sample with xyz")
    return sample


def cloud_of_sample(source: Encoded, sample: Mapping[str, object], limits: Limits) -> PointCloud:
    """The cloud of a sample: its `xyz` as it is, float16 made float32, neither centred nor scaled, and
    its `rgb` where it has colours.

    Raises:
        WorkerError: DATA_CORRUPT where it has no coordinates, or more points than the limit.
    """
    xyz, rgb = sample.get("xyz"), sample.get("rgb")
    if not isinstance(xyz, np.ndarray) or xyz.dtype.kind not in "fiu":
        raise source.corrupt("is a sample without coordinates: it has no array xyz")
    if xyz.shape[:1] > (limits.points,):
        raise source.corrupt(f"has {len(xyz)} points; at most {limits.points} are read")
    if rgb is None:
        return cloud_of(source, xyz)
    if not isinstance(rgb, np.ndarray) or rgb.dtype.kind not in "fiu":
        raise source.corrupt("is a sample whose rgb is no array")
    return cloud_of(source, xyz, rgb)


def sample_features(source: Encoded, field: str, limits: Limits) -> npt.NDArray[np.float32]:
    """Features that come with a sample, (n, 1280) float32: of its rendered views, thumbnail or texts.

    `field` is one of `FEATURE_FIELDS`. Of a text's features the ones of the text itself are taken, not
    the means over prompts.

    Raises:
        WorkerError: DATA_CORRUPT where the file is no sample, or has no such features.
    """
    with source.open(limits) as file:
        try:
            npy_format.read_magic(file)
            shape, _, dtype = npy_format.read_array_header_1_0(file)
        except Exception as error:
            raise source.corrupt("is no sample: it has no .npy header") from error
        if shape != () or not dtype.hasobject:
            raise source.corrupt("is no sample: it holds no pickled dictionary")
        sample = read_sample(source, file, limits)
    rows = [array.reshape(-1, array.shape[-1]) for array in _arrays(sample.get(field))]
    if not rows or len({row.shape[1] for row in rows}) != 1:
        raise source.corrupt(f"is a sample without {field}")
    return np.concatenate(rows).astype(np.float32)


def _arrays(value: object) -> Iterator[npt.NDArray[np.floating]]:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0:
        yield value
    elif isinstance(value, dict):
        yield from _arrays(value.get("original"))
    elif isinstance(value, list):
        for item in value:
            yield from _arrays(item if isinstance(item, dict) else None)
