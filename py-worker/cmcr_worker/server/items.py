"""From the wire's items to what an encoder takes: read here, or on their way through a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.encoded import Encoded, Limits, Part
from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.regions import Box
from cmcr_worker.decoding.registry import decoder
from cmcr_worker.decoding.session import Session
from cmcr_worker.encoders.protocol import Preparation
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import generator
from cmcr_worker.server.prepared_items import Coming, Item, Ready, Refused, Uncut
from cmcr_worker.server.regions import RowRules
from cmcr_worker.server.state import WorkerState

NAMELESS = "an item without a name"


class ItemReader:
    """Reads the batches of one call. `decoding` begins the session in which its files are decoded."""

    def __init__(
        self,
        state: WorkerState,
        modality: str,
        total: int,
        limits: Limits,
        rules: RowRules,
        prepare: Preparation,
        decoding: Callable[[], Session],
    ) -> None:
        self._state = state
        self._modality = modality
        self._total = total
        self._limits = limits
        self._rules = rules
        self._prepare = prepare
        self._decoding = decoding
        self._session: Session | None = None

    def read(self, batch: encoder_pb2.ItemBatch) -> list[Item]:
        """The items of a batch, in its order; those that need a decoder are handed to one.

        Raises:
            WorkerError: CONFIG_INVALID for a batch that cannot be meant, UNKNOWN_NAME where files of the
                modality are not read.
        """
        kind = batch.WhichOneof("items")
        if kind == "texts":
            return [self._text(text, "") for text in batch.texts.texts]
        if kind == "files":
            return [self._file(encoder_pb2.FilePart(path=path), path, None) for path in batch.files.paths]
        if kind == "list":
            return [self._item(item) for item in batch.list.items]
        if kind == "generated":
            return self._generated(batch.generated)
        raise WorkerError(Reason.CONFIG_INVALID, "a batch has no items", subject="items")

    def _item(self, item: encoder_pb2.Item) -> Item:
        content = item.WhichOneof("content")
        part = _part(item.part) if item.HasField("part") else None
        name = item.name or (item.file.path if content == "file" else "")
        regions = None
        if item.HasField("regions"):
            regions = self._rules.regions(item.regions, name or NAMELESS)
        if content == "text":
            return self._text(item.text, name)
        if content == "file":
            return self._file(item.file, name, part, regions)
        if content == "data":
            return self._encoded(Encoded(name=name or NAMELESS, data=item.data), part, regions)
        raise WorkerError(Reason.CONFIG_INVALID, "an item has no content", subject="items")

    def _text(self, text: str, name: str) -> Item:
        if self._modality != "text":
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"texts are not items of the modality {self._modality}",
                subject="texts",
            )
        return self._prepared(text, name)

    def _file(
        self,
        file: encoder_pb2.FilePart,
        name: str,
        part: Part | None,
        regions: tuple[Box, ...] | None = None,
    ) -> Item:
        if file.HasField("offset") and not file.HasField("length"):
            raise WorkerError(
                Reason.CONFIG_INVALID, "a part of a file has an offset and no length", subject="file.length"
            )
        try:
            path = self._state.path(file.path, field="files.paths")
        except WorkerError as error:
            return Refused(error, name)
        length = file.length if file.HasField("length") else None
        source = Encoded(name=name, path=path, offset=file.offset, length=length)
        return self._encoded(source, part, regions)

    def _encoded(self, source: Encoded, part: Part | None, regions: tuple[Box, ...] | None) -> Item:
        if self._modality == "text":
            # A text is read in less time than it takes to hand it over.
            try:
                text = decoder("text")(source, self._limits, part)
            except WorkerError as error:
                return Refused(error, source.name)
            return self._prepared(text, source.name)
        if self._session is None:
            decoder(self._modality)  # Raises here, and not in each process, where there is none.
            self._session = self._decoding()
        return Coming(self._session.submit(source, part, regions))

    def _generated(self, items: encoder_pb2.GeneratedItems) -> list[Item]:
        if items.count > self._total:
            # Before any of them is made: a client's slip must not keep a thread busy for ever.
            raise wrong_total(self._total, items.count)
        source = items.source
        found = generator(source.generator)
        found.check(source.split)
        regions = None
        if items.HasField("regions"):
            regions = self._rules.regions(items.regions, f"each item of {source.generator}")
        indices: Sequence[int] = range(items.start, items.start + items.count)
        media = found.render(self._modality, source.split, source.seed, indices)
        if regions is not None:
            return [Uncut(each, regions, self._prepare) for each in media]
        return [self._prepared(each, "") for each in media]

    def _prepared(self, media: Media, name: str) -> Item:
        try:
            return Ready(self._prepare(media), name)
        except WorkerError as error:
            return Refused(error, name)


def batch_size(batch: encoder_pb2.ItemBatch) -> int:
    """How many items a batch has."""
    kind = batch.WhichOneof("items")
    if kind == "texts":
        return len(batch.texts.texts)
    if kind == "files":
        return len(batch.files.paths)
    if kind == "list":
        return len(batch.list.items)
    return int(batch.generated.count) if kind == "generated" else 0


def wrong_total(expected: int, found: int) -> WorkerError:
    """The error for a stream of more or fewer items than its start announced."""
    return WorkerError(
        Reason.SHAPE_MISMATCH, f"{expected} items were announced, and {found} came", subject="start.total"
    )


def limits_of(start: encoder_pb2.EncodeStart) -> Limits:
    """The worker's own limits, lowered by those of the request. Raises CONFIG_INVALID."""
    asked = start.limits
    return Limits().lowered(
        bytes=asked.bytes,
        pixels=asked.pixels,
        seconds=asked.seconds,
        points=asked.points,
        work_seconds=asked.work_seconds,
    )


def _part(part: encoder_pb2.MediaPart) -> Part:
    found = Part(
        start_seconds=part.start_seconds if part.HasField("start_seconds") else None,
        duration_seconds=part.duration_seconds if part.HasField("duration_seconds") else None,
        position=part.position if part.HasField("position") else None,
    )
    start, duration, position = found.start_seconds or 0.0, found.duration_seconds, found.position
    if not (math.isfinite(start) and start >= 0):
        raise WorkerError(Reason.CONFIG_INVALID, f"a part starts at {start} s", subject="part.start_seconds")
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise WorkerError(
            Reason.CONFIG_INVALID, f"a part lasts {duration} s", subject="part.duration_seconds"
        )
    if position is not None and not 0 <= position <= 1:
        raise WorkerError(
            Reason.CONFIG_INVALID, f"{position} is no position in [0, 1]", subject="part.position"
        )
    return found
