"""What the stages of an encoding owe each other: nothing waits that need not, and nothing piles up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import strange_items as strange
from served import LIMIT, MEMORY, Served
from strange_encoder import StrangeProvider, expected, items, listed, shard_end, start

from cmcr.v1 import encoder_pb2, encoder_pb2_grpc
from cmcr_worker.server import encoders, shards

THREADS = ("reader", "work", "shards")


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrangeProvider]:
    provider = StrangeProvider()
    monkeypatch.setattr(encoders, "provider", lambda name: provider)
    yield provider
    if provider.gate is not None:
        provider.gate.set()
    wait_until(lambda: not threads(), "the end of every thread")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in THREADS]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about in {LIMIT} s"
        time.sleep(0.01)


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def padded(number: int) -> encoder_pb2.Item:
    """An item of 100 kB: what lies behind the pixel does not count."""
    return encoder_pb2.Item(data=strange.image(number) + bytes(100_000), name=f"number {number}")


def test_a_slow_device_holds_the_client_back(served: Served, provider: StrangeProvider) -> None:
    provider.gate = threading.Event()
    sent = 0

    def messages() -> Iterator[Any]:
        nonlocal sent
        yield start(4000)
        for first in range(0, 4000, 8):
            yield listed(*(padded(number) for number in range(first, first + 8)))
            sent += 8
        yield shard_end()

    call = served.encoders.Encode(messages(), timeout=60)
    assert provider.embedding.wait(LIMIT)
    time.sleep(1.0)
    # One batch in work, two ahead of it, and the 16 MB or so that gRPC itself takes in.
    ahead = sent
    assert ahead <= 240
    time.sleep(0.5)
    assert sent == ahead
    provider.gate.set()
    last = [answer for answer in call][-1]
    assert (last.shard.items, last.shard.rows) == (4000, 4000)


def test_memory_stays_flat(served: Served, provider: StrangeProvider) -> None:
    """1.2 GB of prepared items go through; the device is the slow part."""
    provider.prepare = strange.Strange(size=75_000)
    provider.seconds = 0.005

    def messages() -> Iterator[Any]:
        yield start(4000)
        for first in range(0, 4000, 32):
            yield items(*range(first, min(first + 32, 4000)))
            if first % 512 == 480:
                yield shard_end()
        yield shard_end()

    sizes = []
    for answer in served.encoders.Encode(messages(), timeout=90):
        sizes.append(resident())
        if answer.HasField("shard") and answer.shard.rows:
            served.state.tensors.release([answer.shard.tensor.handle])
    assert max(sizes[len(sizes) // 2 :]) - max(sizes[: len(sizes) // 4]) < 40_000_000


def test_order_is_kept_whatever_takes_long(served: Served, provider: StrangeProvider) -> None:
    """Every seventh item ends its process; the others of its window begin anew elsewhere."""
    numbers = [(number, strange.EXIT if number % 7 == 3 else 0) for number in range(60)]
    answers = list(
        served.encoders.Encode(
            iter([start(60), *(items(*numbers[at : at + 5]) for at in range(0, 60, 5)), shard_end()]),
            timeout=60,
        )
    )
    rows = served.values(answers[-1].shard.tensor.handle)
    good = [number for number in range(60) if number % 7 != 3]
    np.testing.assert_allclose(rows, expected(good), atol=1e-6)
    failed = [failure.item for answer in answers for failure in answer.failures]
    assert failed == [number for number in range(60) if number % 7 == 3]


def test_a_shard_that_is_being_written_holds_nobody_up(
    served: Served, provider: StrangeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    write = shards.write_shard

    def slowly(*arguments: Any) -> None:
        disk.wait(LIMIT)
        write(*arguments)

    monkeypatch.setattr(shards, "write_shard", slowly)
    batches = [items(1, 2), shard_end(served.at("0.npy")), items(3, 4), items(5, 6)]
    call = served.encoders.Encode(iter([start(6), *batches, shard_end(served.at("1.npy"))]), timeout=LIMIT)
    answers = [next(call) for _ in range(3)]
    assert [answer.rows_done for answer in answers] == [2, 4, 6]
    assert provider.batches == [2, 2, 2]
    assert os.listdir(served.root) == []
    disk.set()
    assert [answer.shard.rows for answer in call] == [2, 4]


def test_a_cancelled_call_is_noticed_while_the_device_works(
    served: Served, provider: StrangeProvider
) -> None:
    provider.gate = threading.Event()
    # As many batches as cannot be done before the news of the cancellation has come.
    provider.seconds = 0.05
    batches = [items(number, number + 1) for number in range(0, 800, 2)]
    messages = [start(800), *batches, shard_end(served.at("0.npy"))]
    call = served.encoders.Encode(iter(messages), timeout=LIMIT)
    assert provider.embedding.wait(LIMIT)
    call.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert caught.value.code() is grpc.StatusCode.CANCELLED
    provider.gate.set()
    wait_until(lambda: not threads(), "the end of every thread")
    assert os.listdir(served.root) == []
    # Its decoders serve the next call.
    pids = served.state.decoders.pids()
    provider.gate = None
    list(served.encoders.Encode(iter([start(1), items(1), shard_end()]), timeout=LIMIT))
    assert set(pids) <= set(served.state.decoders.pids())


def test_a_cancelled_call_does_not_wait_for_a_stalled_decoder(served: Served) -> None:
    call = served.encoders.Encode(
        iter([start(4), items((1, strange.SLEEP), (2, strange.SLEEP)), shard_end()]), timeout=LIMIT
    )
    wait_until(lambda: len(served.state.decoders.pids()) > 0, "a decoder")
    time.sleep(0.5)
    call.cancel()
    wait_until(lambda: not threads(), "the end of every thread")
    began = time.monotonic()
    answers = list(served.encoders.Encode(iter([start(1), items(1), shard_end()]), timeout=LIMIT))
    assert answers[-1].shard.rows == 1
    assert time.monotonic() - began < 10


def test_calls_at_once_share_decoders_and_encoder(served: Served) -> None:
    def call(first: int) -> list[Any]:
        numbers = range(first, first + 40)
        messages = [start(40), *(items(*numbers[at : at + 8]) for at in range(0, 40, 8)), shard_end()]
        return list(served.encoders.Encode(iter(messages), timeout=LIMIT))

    found: dict[int, list[Any]] = {}
    callers = [
        threading.Thread(target=lambda first=first: found.update({first: call(first)}))
        for first in (0, 100, 200)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(LIMIT)
    for first in (0, 100, 200):
        rows = served.values(found[first][-1].shard.tensor.handle)
        np.testing.assert_allclose(rows, expected(range(first, first + 40)), atol=1e-6)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_a_worker_is_the_end_of_its_decoders(tmp_path: Path, ending: signal.Signals) -> None:
    """A worker process of its own, ended in the middle of an encoding."""
    address = f"unix:{tmp_path}/worker.sock"
    command = [sys.executable, "-m", "cmcr_worker", f"--listen={address}", "--device=cpu", "--decoders=2"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with (
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as worker,
        grpc.insecure_channel(address) as channel,
    ):
        stub = encoder_pb2_grpc.EncoderServiceStub(channel)
        never = threading.Event()

        def messages() -> Iterator[Any]:
            spec = encoder_pb2.EncoderSpec(provider="builtin", model="scenes-image-text")
            yield start(99, encoder=spec, report_failures=False, destination=MEMORY)
            yield items(1, 2, 3)
            never.wait(LIMIT)

        call = stub.Encode(messages(), timeout=60, wait_for_ready=True)
        assert next(call).rows_done == 3
        children = Path(f"/proc/{worker.pid}/task").glob("*/children")
        pids = [int(text) for task in children for text in task.read_text().split()]
        assert len(pids) == 2
        worker.send_signal(ending)
        worker.wait(LIMIT)
        never.set()
        wait_until(lambda: not any(alive(pid) for pid in pids), "the end of the decoders")
