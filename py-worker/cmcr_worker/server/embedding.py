"""From the batches of one call to rows, and what is told of items that have none."""

from __future__ import annotations

from collections.abc import Callable

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.frames import array_bytes
from cmcr_worker.decoding.media import Prepared
from cmcr_worker.encoders.protocol import Encoder
from cmcr_worker.errors import WorkerError
from cmcr_worker.server.encoder_cache import LoadedEncoder
from cmcr_worker.server.fitting import FittingEncoder, Rows
from cmcr_worker.server.flow import Call, Room
from cmcr_worker.server.items import Item, Unreadable, wrong_total
from cmcr_worker.server.state import WorkerState

RUN_BYTES = 256 << 20
"""A batch whose prepared items take more is embedded piece by piece, in this size: an encoder that takes
whole photos would otherwise need gigabytes for one batch."""

MESSAGE_CHARACTERS = 1000  # Of a failure.

Put = Callable[[encoder_pb2.EncodeResponse], None]


class Embedding:
    """Embeds the batches of one call and reports what has no row."""

    def __init__(
        self,
        state: WorkerState,
        call: Call,
        start: encoder_pb2.EncodeStart,
        modality: str,
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
        self._fitting = FittingEncoder(loaded, modality, state.device, self._notes.append, call.check)

    def rows(self, items: list[Item]) -> list[Rows]:
        """The rows of a batch, those of items that failed left out."""
        if self.done + len(items) > self.total:
            raise wrong_total(self.total, self.done + len(items))
        blocks: list[Rows] = []
        run: list[tuple[int, Item, Prepared]] = []
        size = 0
        for place, item in enumerate(items):
            try:
                prepared = item.take(self._call.check)
            except Unreadable as cause:
                self._refuse(place, item, cause.error)
                item.release()
                continue
            run.append((place, item, prepared))
            size += array_bytes(prepared)
            if size >= RUN_BYTES:
                blocks.append(self._embed(run))
                run, size = [], 0
        if run:
            blocks.append(self._embed(run))
        self._room.free(len(items))
        self.done += len(items)
        return blocks

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

    def _embed(self, run: list[tuple[int, Item, Prepared]]) -> Rows:
        def refuse(place: int, error: WorkerError) -> None:
            at, item, _ = run[place]
            name = item.name or f"item {self.done + at}"
            self._refuse(
                at,
                item,
                WorkerError(error.reason, f"{name}: {error.message}", subject=name, remedy=error.remedy),
            )

        rows, _ = self._fitting.embed([prepared for _, _, prepared in run], refuse)
        for _, item, _ in run:
            item.release()
        return rows

    def _refuse(self, place: int, item: Item, error: WorkerError) -> None:
        if not self._report:
            raise error
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
