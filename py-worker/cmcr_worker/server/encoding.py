"""The Encode call: a reader takes in items, decoder processes decode them, one thread embeds, one writes.

Nothing waits for the end of a shard: while one is written, the next is embedded, and the items after that
are decoded. What is on its way is bounded everywhere, so that a slow device holds back the client.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from cmcr.v1 import encoder_pb2, tensor_pb2
from cmcr_worker.decoding.frames import array_bytes
from cmcr_worker.decoding.media import Prepared
from cmcr_worker.decoding.pool import WINDOW
from cmcr_worker.encoders.protocol import Encoder
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.encoder_cache import LoadedEncoder
from cmcr_worker.server.fitting import FittingEncoder, Rows
from cmcr_worker.server.flow import Call, Room, outputs, read_ahead, spawn
from cmcr_worker.server.items import Item, ItemReader, Unreadable, batch_size, limits_of, wrong_total
from cmcr_worker.server.sink import Sink, file_digest
from cmcr_worker.server.state import WorkerState

RUN_BYTES = 256 << 20
"""A batch whose prepared items take more is embedded piece by piece, in this size: an encoder that takes
whole photos would otherwise need gigabytes for one batch."""

SHARD_BYTES = 4 << 30
"""Of the rows of one shard, which lie in memory until its end says where they go."""

RESPONSES_AHEAD = 16
MESSAGES_AHEAD = 64  # Beyond that `Room` bounds them.
MESSAGE_CHARACTERS = 1000  # Of a failure.

Put = Callable[[encoder_pb2.EncodeResponse], None]
Start = encoder_pb2.EncodeStart


@dataclass(frozen=True, slots=True)
class _ShardEnd:
    """Where the rows since the last one go."""

    destination: tensor_pb2.Destination


@dataclass(slots=True)
class _Shard:
    """What there is of a shard; `done` counts the whole stream's items at its end."""

    items: int = 0
    blocks: list[Rows] = field(default_factory=list)
    bytes: int = 0
    done: int = 0


def run_encode(
    state: WorkerState,
    call: Call,
    start: Start,
    modality: str,
    messages: Iterator[encoder_pb2.EncodeRequest],
    load: Callable[[], LoadedEncoder],
) -> Iterator[encoder_pb2.EncodeResponse]:
    """The answers to a stream that began with `start`.

    Raises:
        WorkerError: CONFIG_INVALID for messages in a wrong order, SHAPE_MISMATCH for a wrong total; what the
            encoder, the items and the destination raise.
    """
    sharded = start.destination.WhichOneof("target") is None
    if start.report_failures and not sharded:
        raise WorkerError(
            Reason.CONFIG_INVALID,
            "items can only be left out of shards: a matrix of its own has a row for each",
            subject="start.report_failures",
            remedy="Leave the destination out and send shard ends.",
        )
    if start.total < 1:
        raise WorkerError(Reason.SHAPE_MISMATCH, "there are no items to embed", subject="start.total")
    limits = limits_of(start)

    def work(put: Put) -> None:
        loaded = load()
        prepare = loaded.encoder.preparation(modality)
        room = Room(2 * WINDOW * state.decoders.size)
        with ExitStack() as sessions:
            reader = ItemReader(
                state,
                modality,
                start.total,
                limits,
                prepare,
                lambda: sessions.enter_context(
                    state.decoders.session(modality, prepare, limits, start.total)
                ),
            )

            def read(message: encoder_pb2.EncodeRequest) -> list[Item] | _ShardEnd:
                part = message.WhichOneof("part")
                if part == "batch":
                    room.take(call, batch_size(message.batch))
                    return reader.read(message.batch)
                if part == "shard_end" and sharded:
                    # At once, so that a wrong one is known before its rows are.
                    Sink.check(state, message.shard_end.destination)
                    return _ShardEnd(message.shard_end.destination)
                expected = "batches and the ends of shards" if sharded else "batches"
                raise WorkerError(
                    Reason.CONFIG_INVALID, f"after the start message only {expected} may come", subject="part"
                )

            batches = read_ahead(call, messages, MESSAGES_AHEAD, read)
            embedding = _Embedding(state, call, start, modality, loaded, room, put)
            if sharded:
                _in_shards(state, call, embedding, batches)
            else:
                _in_one(state, embedding, batches)

    return outputs(call, RESPONSES_AHEAD, work)


class _Embedding:
    """Embeds the batches of one call and reports what has no row."""

    def __init__(
        self,
        state: WorkerState,
        call: Call,
        start: Start,
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


def _in_one(state: WorkerState, embedding: _Embedding, batches: Iterator[list[Item] | _ShardEnd]) -> None:
    with Sink(state, embedding.destination, (embedding.total, embedding.encoder.dimension)) as sink:
        at = 0
        for items in batches:
            assert not isinstance(items, _ShardEnd)
            for rows in embedding.rows(items):
                sink.rows(at, rows)
                at += len(rows)
            embedding.answer()
        embedding.finish()
        tensor = sink.finish()
    embedding.put(encoder_pb2.EncodeResponse(rows_done=embedding.done, tensor=tensor))


def _in_shards(
    state: WorkerState, call: Call, embedding: _Embedding, batches: Iterator[list[Item] | _ShardEnd]
) -> None:
    # One shard is written while another waits: more would only take memory.
    finished: queue.Queue[tuple[_Shard, tensor_pb2.Destination] | None] = queue.Queue(maxsize=1)
    ended: queue.Queue[bool] = queue.Queue()

    def write() -> None:
        while (entry := call.take(finished)) is not None:
            _write_shard(state, embedding, *entry)
        ended.put(True)

    spawn(call, ended, "shards", write)
    shard = _Shard()
    for items in batches:
        if isinstance(items, _ShardEnd):
            shard.done = embedding.done
            _hand_over(call, finished, ended, (shard, items.destination))
            shard = _Shard()
            continue
        blocks = embedding.rows(items)
        shard.items += len(items)
        shard.blocks += blocks
        shard.bytes += sum(block.nbytes for block in blocks)
        if shard.bytes > SHARD_BYTES:
            raise WorkerError(
                Reason.CONFIG_INVALID,
                f"a shard has more than {SHARD_BYTES >> 30} GiB of rows",
                subject="shard_end",
                remedy="End shards sooner.",
            )
        embedding.answer()
    embedding.finish()
    if shard.items > 0:
        raise WorkerError(
            Reason.CONFIG_INVALID, f"the last {shard.items} items are in no shard", subject="shard_end"
        )
    _hand_over(call, finished, ended, None)
    call.take(ended)


def _hand_over(
    call: Call,
    finished: queue.Queue[tuple[_Shard, tensor_pb2.Destination] | None],
    ended: queue.Queue[bool],
    entry: tuple[_Shard, tensor_pb2.Destination] | None,
) -> None:
    """Puts a shard before the writer, unless that has failed."""
    while True:
        if not ended.empty():
            call.take(ended)
        call.check()
        try:
            return finished.put(entry, timeout=0.2)
        except queue.Full:
            continue


def _write_shard(
    state: WorkerState, embedding: _Embedding, shard: _Shard, destination: tensor_pb2.Destination
) -> None:
    rows = sum(len(block) for block in shard.blocks)
    done = encoder_pb2.ShardDone(items=shard.items, rows=rows)
    if rows > 0:
        with Sink(state, destination, (rows, embedding.encoder.dimension)) as sink:
            at = 0
            for block in shard.blocks:
                sink.rows(at, block)
                at += len(block)
            done.tensor.CopyFrom(sink.finish())
        if sink.path is not None:
            done.sha256, done.bytes = file_digest(sink.path)
    shard.blocks.clear()
    try:
        embedding.put(encoder_pb2.EncodeResponse(rows_done=shard.done, shard=done))
    except BaseException:
        # Nobody will ever name the handle.
        state.tensors.release([done.tensor.handle])
        raise
