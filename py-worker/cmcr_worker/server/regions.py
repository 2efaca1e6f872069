"""Regions and patches as requests ask for them: checked before anything is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.regions import MOST_REGIONS, Box
from cmcr_worker.encoders.protocol import Encoder, PatchEncoder, PatchSource
from cmcr_worker.errors import Reason, WorkerError

PATCH_SOURCES: dict[int, PatchSource] = {
    encoder_pb2.PATCH_EMBEDDING_TOKENS: "tokens",
    encoder_pb2.PATCH_EMBEDDING_VALUES: "values",
}


@dataclass(frozen=True, slots=True)
class RowRules:
    """How the items of a stream become rows.

    `patches` is where those of patches come from, or None; `no_regions` why items may have no regions, or
    empty where they may.
    """

    squash: bool
    patches: PatchSource | None
    no_regions: str

    @classmethod
    def of(cls, start: encoder_pb2.EncodeStart, modality: str, *, sharded: bool) -> RowRules:
        """Those of a start message.

        Raises:
            WorkerError: CONFIG_INVALID where it asks of other items what only images have, for patches of
                an unknown kind, and for patches outside shards.
        """
        patches = PATCH_SOURCES.get(start.patches)
        if start.patches != encoder_pb2.PATCH_EMBEDDING_UNSPECIFIED and patches is None:
            raise _wrong(f"{start.patches} is no way to embed patches", "start.patches")
        if modality != "image":
            if patches is not None:
                raise _wrong(f"only images have patches, and the items are {modality}", "start.patches")
            if start.squash:
                raise _wrong(f"only images can be squashed, and the items are {modality}", "start.squash")
            return cls(False, None, f"only images have regions, and the items are {modality}")
        if patches is not None and not sharded:
            raise _wrong("rows of patches need shards: leave the destination out", "start.patches")
        if patches is not None:
            return cls(True, patches, "items whose patches are embedded have no regions of their own")
        no_regions = "" if sharded else "rows of regions need shards: leave the destination out"
        return cls(start.squash, None, no_regions)

    def check(self, encoder: Encoder) -> None:
        """Raises CONFIG_INVALID where it has no patches and these are asked for, saying why."""
        if self.patches is None:
            return
        why = encoder.patches_missing if isinstance(encoder, PatchEncoder) else "it embeds whole images alone"
        if not isinstance(encoder, PatchEncoder) or encoder.patch_grid is None:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"the encoder has no embeddings of patches: {why}",
                subject="start.patches",
                remedy="Embed crops of the images, or take a CLIP with a vision transformer.",
            )

    def regions(self, wire: encoder_pb2.Regions, name: str) -> tuple[Box, ...]:
        """An item's regions; `name` is what messages call it.

        Raises:
            WorkerError: CONFIG_INVALID where it may have none, for none at all, too many, or one that is not
                a rectangle inside the frame.
        """
        if self.no_regions:
            raise _wrong(f"{name} has regions: {self.no_regions}", "items.regions")
        count = len(wire.regions)
        if not 0 < count <= MOST_REGIONS:
            raise _wrong(f"{name} has {count} regions; expected 1 to {MOST_REGIONS}", "items.regions")
        boxes = []
        for number, region in enumerate(wire.regions):
            box = (region.left, region.top, region.right, region.bottom)
            if not _is_inside(box):
                raise _wrong(
                    f"region {number} of {name} is {[round(edge, 6) for edge in box]}; expected left < right "
                    "and top < bottom, all in [0, 1]",
                    f"items.regions[{number}]",
                )
            boxes.append(box)
        return tuple(boxes)


def _is_inside(box: Box) -> bool:
    left, top, right, bottom = box
    # Not a number compares as false.
    return all(map(math.isfinite, box)) and 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def _wrong(what: str, field: str) -> WorkerError:
    return WorkerError(Reason.CONFIG_INVALID, what, subject=field)
