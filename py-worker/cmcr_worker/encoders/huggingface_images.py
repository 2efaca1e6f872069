"""What a transformers model wants done to its images: preprocessor_config.json, followed to the letter.

transformers may choose a processor on torchvision, whose resampling differs from Pillow's in a few
pixels. The models were trained and published with Pillow's, and that is what `ImagePreparation` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cmcr_worker.encoders.image_preparation import FILTERS, ImagePreparation, PixelScale, Resize
from cmcr_worker.encoders.model_files import ModelFolder
from cmcr_worker.errors import Reason, WorkerError

_CLIP = {
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_HALF = {
    "size": {"height": 224, "width": 224},
    "crop_size": None,
    "do_center_crop": False,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
PROCESSORS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "CLIP": _CLIP,
        # The same under another name, with a mean and deviation that the file always gives.
        "Bit": _CLIP,
        "Siglip": _HALF,
        "ViT": {**_HALF, "resample": 2},
    }
)
"""transformers' image processors by the beginning of their names: what each does unless told otherwise."""

_SWITCHES = ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb")


def image_settings(folder: ModelFolder) -> tuple[ImagePreparation, PixelScale]:
    """What is done to an image before the network, and to its pixels on the device.

    Raises:
        WorkerError: CHECKPOINT_MISSING where the folder says nothing of images, CONFIG_INVALID for a
            processor, a switch or a size that is not known here.
    """
    given = _processor(folder)
    name = str(
        given.get("image_processor_type") or given.get("feature_extractor_type") or "CLIPImageProcessor"
    )
    defaults = next((fields for kind, fields in PROCESSORS.items() if name.startswith(kind)), None)
    # Siglip2ImageProcessor gives every image its own number of patches.
    if defaults is None or name.startswith("Siglip2"):
        raise _wrong(folder, f"its image processor {name} is not supported")
    fields = {
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        **defaults,
        **{key: value for key, value in given.items() if value is not None},
    }
    for switch, value in fields.items():
        if switch.startswith("do_") and value is True and switch not in _SWITCHES:
            raise _wrong(folder, f"{switch} is not supported")
    return _preparation(folder, fields), _scale(folder, fields)


def _processor(folder: ModelFolder) -> dict[str, object]:
    # transformers 5 writes one file for the whole processor, and reads that first.
    if (folder.path / "processor_config.json").is_file():
        nested = folder.json("processor_config.json").get("image_processor")
        if isinstance(nested, dict):
            return nested
    return folder.json("preprocessor_config.json")


def _preparation(folder: ModelFolder, fields: Mapping[str, object]) -> ImagePreparation:
    resize: Resize = "none"
    target = (1, 1)
    if fields["do_resize"]:
        size = fields["size"]
        if isinstance(size, int):
            size = {"shortest_edge": size}
        match size:
            case {"shortest_edge": int(edge), **rest} if not _given(rest):
                resize, target = "shortest", (edge, edge)
            case {"height": int(height), "width": int(width), **rest} if not _given(rest):
                resize, target = "exact", (height, width)
            case _:
                raise _wrong(folder, f"the size {size} is neither shortest_edge nor height and width")
    crop = None
    if fields["do_center_crop"]:
        match fields["crop_size"]:
            case int(edge):
                crop = (edge, edge)
            case {"height": int(height), "width": int(width)}:
                crop = (height, width)
            case other:
                raise _wrong(folder, f"the crop_size {other} is not height and width")
    return ImagePreparation(resize, target, crop, _filter(folder, fields["resample"]))


def _given(rest: Mapping[object, object]) -> bool:
    return any(value is not None for value in rest.values())


def _filter(folder: ModelFolder, resample: object) -> str:
    for name, value in FILTERS.items():
        if resample == int(value) or resample == name:
            return name
    raise _wrong(folder, f"resample {resample!r} is none of Pillow's filters")


def _scale(folder: ModelFolder, fields: Mapping[str, object]) -> PixelScale:
    factor = fields["rescale_factor"] if fields["do_rescale"] else 1.0
    if not isinstance(factor, (int, float)):
        raise _wrong(folder, f"rescale_factor {factor!r} is no number")
    if not fields["do_normalize"]:
        return PixelScale((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), float(factor))
    return PixelScale(
        _channels(folder, fields["image_mean"]), _channels(folder, fields["image_std"]), float(factor)
    )


def _channels(folder: ModelFolder, value: object) -> tuple[float, float, float]:
    match value:
        case [int() | float() as red, int() | float() as green, int() | float() as blue]:
            return float(red), float(green), float(blue)
        case int() | float():
            return float(value), float(value), float(value)
    raise _wrong(folder, f"{value!r} is not a number for each of red, green and blue")


def _wrong(folder: ModelFolder, what: str) -> WorkerError:
    return WorkerError(
        Reason.CONFIG_INVALID,
        f"the image preprocessing of {folder.origin} cannot be followed: {what}",
        subject=folder.origin,
        remedy="Check its preprocessor_config.json, or wrap the model by the provider python.",
    )
