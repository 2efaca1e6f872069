"""The Encode call: a reader takes in items, decoder processes decode them, one thread embeds, one writes.

Nothing waits for the end of a shard: while one is written, the next is embedded, and the items after that
are decoded. What is on its way is bounded everywhere, so that a slow device holds back the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from cmcr.v1 import encoder_pb2
from cmcr_worker.decoding.pool import WINDOW
from cmcr_worker.decoding.regions import Squashed
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.server.embedding import Embedding, Put
from cmcr_worker.server.encoder_cache import LoadedEncoder
from cmcr_worker.server.flow import Call, Room, outputs, read_ahead
from cmcr_worker.server.items import ItemReader, batch_size, limits_of
from cmcr_worker.server.prepared_items import Item
from cmcr_worker.server.regions import RowRules
from cmcr_worker.server.shards import ShardEnd, write_shards
from cmcr_worker.server.sink import Sink
from cmcr_worker.server.state import WorkerState

RESPONSES_AHEAD = 16
MESSAGES_AHEAD = 64  # Beyond that `Room` bounds them.

Start = encoder_pb2.EncodeStart


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
        WorkerError: CONFIG_INVALID for messages in a wrong order and for regions or patches that cannot be,
            SHAPE_MISMATCH for a wrong total; what the encoder, the items and the destination raise.
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
    rules = RowRules.of(start, modality, sharded=sharded)

    def work(put: Put) -> None:
        loaded = load()
        rules.check(loaded.encoder)
        prepare = loaded.encoder.preparation(modality)
        if rules.squash:
            prepare = Squashed(prepare)
        room = Room(2 * WINDOW * state.decoders.size)
        with ExitStack() as sessions:
            reader = ItemReader(
                state,
                modality,
                start.total,
                limits,
                rules,
                prepare,
                lambda: sessions.enter_context(
                    state.decoders.session(modality, prepare, limits, start.total)
                ),
            )

            def read(message: encoder_pb2.EncodeRequest) -> list[Item] | ShardEnd:
                part = message.WhichOneof("part")
                if part == "batch":
                    room.take(call, batch_size(message.batch))
                    return reader.read(message.batch)
                if part == "shard_end" and sharded:
                    # At once, so that a wrong one is known before its rows are.
                    Sink.check(state, message.shard_end.destination)
                    return ShardEnd(message.shard_end.destination)
                expected = "batches and the ends of shards" if sharded else "batches"
                raise WorkerError(
                    Reason.CONFIG_INVALID, f"after the start message only {expected} may come", subject="part"
                )

            batches = read_ahead(call, messages, MESSAGES_AHEAD, read)
            embedding = Embedding(state, call, start, modality, rules.patches, loaded, room, put)
            if sharded:
                write_shards(state, call, embedding, batches)
            else:
                _in_one(state, embedding, batches)

    return outputs(call, RESPONSES_AHEAD, work)


def _in_one(state: WorkerState, embedding: Embedding, batches: Iterator[list[Item] | ShardEnd]) -> None:
    with Sink(state, embedding.destination, (embedding.total, embedding.encoder.dimension)) as sink:
        at = 0
        for items in batches:
            assert not isinstance(items, ShardEnd)
            for rows in embedding.rows(items):
                sink.rows(at, rows)
                at += len(rows)
            embedding.answer()
        embedding.finish()
        tensor = sink.finish()
    embedding.put(encoder_pb2.EncodeResponse(rows_done=embedding.done, tensor=tensor))
