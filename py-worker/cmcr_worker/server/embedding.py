"""From the batches of one call to rows, and what is told of items that have none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.frames import array_bytes
from cmcr_worker.decoding.media import Prepared
from cmcr_worker.decoding.regions import Cut
from cmcr_worker.encoders.protocol import Encoder, PatchSource
from cmcr_worker.errors import WorkerError
from cmcr_worker.server.encoder_cache import LoadedEncoder
from cmcr_worker.server.fitting import FittingEncoder, Rows
from cmcr_worker.server.flow import Call, Room
from cmcr_worker.server.items import wrong_total
from cmcr_worker.server.prepared_items import Item, Unreadable
from cmcr_worker.server.state import WorkerState

RUN_BYTES = 256 << 20
"""A batch whose prepared items take more is embedded piece by piece, in this size: an encoder that takes
whole photos would otherwise need gigabytes for one batch."""

RUN_ROWS = 64
"""Items have many regions. So many of these, or as many as the batch has items where that is more, go through
the encoder together: never more than a batch of whole images would have put there, and the same ones whatever
the time that decoding takes."""

MESSAGE_CHARACTERS = 1000  # Of a failure.

Put = Callable[[encoder_pb2.EncodeResponse], None]


@dataclass(frozen=True, slots=True)
class _Input:
    """What goes through the encoder: an item, or one of its regions."""

    place: int
    item: Item
    prepared: Prepared
    # Of its item.
    last: bool


@dataclass(slots=True)
class _Batch:
    """A batch in work: inputs that wait, and for what was embedded its items' places and its rows."""

    most: int
    run: list[_Input] = field(default_factory=list)
    size: int = 0
    made: list[tuple[list[int], Rows]] = field(default_factory=list)
    # Places of items that have no row.
    failed: set[int] = field(default_factory=set)

    def blocks(self) -> list[Rows]:
        """The rows of the items of which no part failed."""
        found = []
        for places, rows in self.made:
            good = np.array([place not in self.failed for place in places], dtype=np.bool_)
            found.append(rows[good].reshape(-1, rows.shape[-1]))
        return found


class Embedding:
    """Embeds the batches of one call and reports what has no row."""

    def __init__(
        self,
        state: WorkerState,
        call: Call,
        start: encoder_pb2.EncodeStart,
        modality: str,
        patches: PatchSource | None,
        loaded: LoadedEncoder,
        room: Room,
        put: Put,
    ) -> None:
        self.total: int = start.total
        self.destination = start.destination
        self.done = 0
        self.put = put
        self.encoder: Encoder = loaded.encoder
        self._call = call
        self._report = start.report_failures
        self._room = room
        self._notes: list[str] = []
        self._failures: list[encoder_pb2.ItemFailure] = []
        self._fitting = FittingEncoder(
            loaded, modality, state.device, self._notes.append, call.check, patches=patches
        )

    def rows(self, items: list[Item]) -> list[Rows]:
        """The rows of a batch: one for each item, or for each of its regions or patches. Those of items that
        failed are left out; one whose region fails has failed."""
        if self.done + len(items) > self.total:
            raise wrong_total(self.total, self.done + len(items))
        batch = _Batch(most=max(len(items), RUN_ROWS))
        for place, item in enumerate(items):
            try:
                prepared = item.take(self._call.check)
            except Unreadable as cause:
                self._refuse(batch, place, cause.error)
                item.release()
                continue
            parts = prepared.parts if isinstance(prepared, Cut) else (prepared,)
            for number, part in enumerate(parts, start=1):
                batch.run.append(_Input(place, item, part, last=number == len(parts)))
                batch.size += array_bytes(part)
                if batch.size >= RUN_BYTES or len(batch.run) >= batch.most:
                    self._embed(batch)
        if batch.run:
            self._embed(batch)
        self._room.free(len(items))
        self.done += len(items)
        return batch.blocks()

    def answer(self) -> None:
        """Says how far the work is, with the failures and notes since the last answer."""
        self._failures.sort(key=lambda failure: failure.item)
        self.put(encoder_pb2.EncodeResponse(rows_done=self.done, failures=self._failures, notes=self._notes))
        self._failures.clear()
        self._notes.clear()

    def finish(self) -> None:
        """Raises SHAPE_MISMATCH where fewer items came than were announced."""
        if self.done != self.total:
            raise wrong_total(self.total, self.done)

    def _embed(self, batch: _Batch) -> None:
        run, batch.run, batch.size = batch.run, [], 0

        def refuse(number: int, error: WorkerError) -> None:
            place, item = run[number].place, run[number].item
            name = item.name or f"item {self.done + place}"
            self._refuse(
                batch,
                place,
                WorkerError(error.reason, f"{name}: {error.message}", subject=name, remedy=error.remedy),
            )

        rows, kept = self._fitting.embed([each.prepared for each in run], refuse)
        batch.made.append(([run[number].place for number in kept], rows))
        for each in run:
            if each.last:
                each.item.release()

    def _refuse(self, batch: _Batch, place: int, error: WorkerError) -> None:
        if not self._report:
            raise error
        if place in batch.failed:
            return
        batch.failed.add(place)
        self._failures.append(
            encoder_pb2.ItemFailure(
                item=self.done + place,
                reason=f"ERROR_REASON_{error.reason.name}",
                message=printable(error.message[:MESSAGE_CHARACTERS]),
            )
        )


def printable(text: str) -> str:
    """The text with escapes for what would change a terminal or begin a line: names of files are anyone's."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
