"""An encoding in shards: while one is written, the next is embedded."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass, field

from cmcr.v1 import encoder_pb2, tensor_pb2
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.embedding import Embedding
from cmcr_worker.server.fitting import Rows
from cmcr_worker.server.flow import Call, spawn
from cmcr_worker.server.prepared_items import Item
from cmcr_worker.server.sink import Sink, file_digest
from cmcr_worker.server.state import WorkerState

SHARD_BYTES = 4 << 30
"""Of the rows of one shard, which lie in memory until its end says where they go."""


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """Where the rows since the last one go."""

    destination: tensor_pb2.Destination


@dataclass(slots=True)
class Shard:
    """What there is of a shard; `done` counts the whole stream's items at its end."""

    items: int = 0
    blocks: list[Rows] = field(default_factory=list)
    bytes: int = 0
    done: int = 0


def write_shards(
    state: WorkerState, call: Call, embedding: Embedding, batches: Iterator[list[Item] | ShardEnd]
) -> None:
    """Embeds batches, and writes a matrix for each end of a shard on a thread of its own.

    Raises:
        WorkerError: CONFIG_INVALID for items in no shard, or for a shard of more than `SHARD_BYTES`; what the
            items, the encoder and the destination raise.
    """
    # One shard is written while another waits: more would only take memory.
    finished: queue.Queue[tuple[Shard, tensor_pb2.Destination] | None] = queue.Queue(maxsize=1)
    ended: queue.Queue[bool] = queue.Queue()

    def write() -> None:
        while (entry := call.take(finished)) is not None:
            write_shard(state, embedding, *entry)
        ended.put(True)

    spawn(call, ended, "shards", write)
    shard = Shard()
    for items in batches:
        if isinstance(items, ShardEnd):
            shard.done = embedding.done
            _hand_over(call, finished, ended, (shard, items.destination))
            shard = Shard()
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
    finished: queue.Queue[tuple[Shard, tensor_pb2.Destination] | None],
    ended: queue.Queue[bool],
    entry: tuple[Shard, tensor_pb2.Destination] | None,
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


def write_shard(
    state: WorkerState, embedding: Embedding, shard: Shard, destination: tensor_pb2.Destination
) -> None:
    """Writes the shard's rows and answers with it; nothing is written where there are none."""
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
