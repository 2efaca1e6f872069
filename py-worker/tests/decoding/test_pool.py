"""The decoder processes: what crashes, stalls or eats memory takes one of them along, and nothing else."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strange_items as strange
from strange_items import Strange, image

from cmcr_worker.decoding import session as session_module
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.messages import Answer
from cmcr_worker.decoding.pool import DecoderPool
from cmcr_worker.decoding.session import Session, Task
from cmcr_worker.encoders.protocol import as_it_is
from cmcr_worker.errors import Reason, WorkerError

LIMIT = 30.0


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2)
    yield pool
    pool.close()
    assert pool.pids() == []


def opened(pool: DecoderPool, prepare: Any = None, **limits: Any) -> Session:
    return pool.session("image", Strange() if prepare is None else prepare, Limits(**limits), 8)


def submit(session: Session, number: int, action: int = strange.PLAIN) -> Task:
    return session.submit(Encoded(name=f"item {number}", data=image(number, action)), None)


def take(task: Task) -> Answer:
    end = time.monotonic() + LIMIT

    def check() -> None:
        assert time.monotonic() < end, "no answer"

    return task.session.take(task, check)


def alive(pid: int) -> bool:
    """Whether a process runs, one that is dead and not yet waited for not counting."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Any, what: str) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about in {LIMIT} s"
        time.sleep(0.02)


def test_items_come_back_each_to_its_own(pool: DecoderPool) -> None:
    with opened(pool) as session:
        tasks = [submit(session, number) for number in range(300)]
        for number, task in enumerate(tasks):
            np.testing.assert_array_equal(take(task).value, [number, 1, 0])
            session.release(task)
    assert len(pool.pids()) == 2


def test_a_decoder_is_light(pool: DecoderPool) -> None:
    with opened(pool, strange.loaded_modules) as session:
        modules = take(submit(session, 0)).value.split()
    with opened(pool, as_it_is) as session:
        np.testing.assert_array_equal(take(submit(session, 5)).value, [[[0, 0, 5]]])
    assert "numpy" in modules
    assert not {"torch", "transformers", "grpc", "trimesh"} & set(modules)


@pytest.mark.parametrize(
    ("action", "cause"),
    [
        (strange.SEGFAULT, "ended the process that decoded it: SIGSEGV"),
        (strange.ABORT, "ended the process that decoded it: SIGABRT"),
        (strange.EXIT, "ended the process that decoded it: exit code 3"),
        (strange.SLEEP, "took longer than 1 s to decode"),
        (strange.STOP, "took longer than 1 s to decode"),
        (strange.PROGRAM, "took longer than 1 s to decode"),
        (strange.REFUSE, "has too few points"),
        (strange.NONSENSE, "gave an answer that cannot be read (ValueError)"),
    ],
)
def test_only_the_item_that_does_harm_fails(pool: DecoderPool, action: int, cause: str) -> None:
    with opened(pool, work_seconds=1.0) as session:
        tasks = [submit(session, number, action if number in (3, 11) else 0) for number in range(20)]
        answers = [take(task) for task in tasks]
    for number, answer in enumerate(answers):
        if number in (3, 11):
            assert Reason(answer.reason) is Reason.DATA_CORRUPT
            assert answer.message.startswith(f"item {number}")
            assert cause in answer.message
            assert not answer.fatal
        else:
            np.testing.assert_array_equal(answer.value, [number, 1, 0])


def test_a_bug_is_one_items_and_its_trace_is_in_the_log(pool: DecoderPool, caplog: Any) -> None:
    with opened(pool) as session:
        broken, good = submit(session, 1, strange.BUG), submit(session, 2)
        answer = take(broken)
        assert take(good).value[0] == 2
    assert (Reason(answer.reason), answer.fatal) == (Reason.INTERNAL, False)
    assert "item 1: ZeroDivisionError: of a strange kind" in answer.message
    assert "in __call__" in caplog.text


def test_memory_has_a_limit() -> None:
    pool = DecoderPool(1, memory_bytes=500 << 20)
    try:
        with opened(pool) as session:
            greedy, good = submit(session, 1, strange.ALLOCATE), submit(session, 2)
            assert "needs more memory than a decoder may use" in take(greedy).message
            assert take(good).value[0] == 2
    finally:
        pool.close()


def test_a_preparation_that_no_process_can_load_fails_all(pool: DecoderPool) -> None:
    with opened(pool, strange.Homeless()) as session:
        answers = [take(submit(session, number)) for number in range(3)]
    assert all(answer.fatal for answer in answers)
    assert "cannot load the encoder's preparation of image" in answers[0].message
    assert "no_such_module_anywhere" in answers[0].message


def test_a_preparation_that_cannot_be_sent_is_a_mistake_of_its_maker(pool: DecoderPool) -> None:
    with pytest.raises(WorkerError, match="cannot be handed to a decoder process") as raised:
        opened(pool, lambda media: media)
    assert raised.value.reason is Reason.CONFIG_INVALID


def test_what_nobody_takes_holds_the_decoders_back(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not lie in memory: 400 items of 1 MB are submitted, some 20 MB are held."""
    monkeypatch.setattr(session_module, "HELD_BYTES", 20_000_000)
    with opened(pool, Strange(size=250_000)) as session:
        tasks = [submit(session, number) for number in range(400)]
        wait_until(lambda: session.held_bytes > 15_000_000, "a full session")
        time.sleep(0.5)
        assert session.held_bytes < 30_000_000
        assert sum(task.answer is not None for task in tasks) <= 30
        for number, task in enumerate(tasks):
            assert take(task).value[0] == number
            session.release(task)
            assert session.held_bytes < 30_000_000
        assert session.held_bytes == 0


def test_sessions_take_turns(pool: DecoderPool) -> None:
    with opened(pool, Strange(seconds=0.02)) as long, opened(pool, Strange(seconds=0.02)) as short:
        first = [submit(long, number) for number in range(400)]
        last = submit(short, 7)
        assert take(last).value[0] == 7
        assert first[-1].answer is None


def test_a_session_that_ends_gives_its_decoders_back(pool: DecoderPool) -> None:
    with opened(pool) as session:
        for number in range(8):
            submit(session, number, strange.SLEEP)
        wait_until(lambda: session.in_work > 0, "a stalled decoder")
        time.sleep(0.5)
    began = time.monotonic()
    with opened(pool) as session:
        assert take(submit(session, 9)).value[0] == 9
    assert time.monotonic() - began < 10


def test_the_end_of_the_pool_is_the_end_of_its_processes() -> None:
    pool = DecoderPool(2)
    with opened(pool) as session:
        submit(session, 1, strange.PROGRAM)
        assert take(submit(session, 2)).value[0] == 2
        pids = pool.pids()
        groups = {pid: children_of(pid) for pid in pids}
        wait_until(lambda: any(children_of(pid) for pid in pids), "the program that a decoder starts")
        groups = {pid: children_of(pid) for pid in pids}
    pool.close()
    pool.close()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the end of the decoders")
    programs = [child for found in groups.values() for child in found]
    wait_until(lambda: not any(alive(pid) for pid in programs), "the end of what they had started")
    with pytest.raises(WorkerError, match="ending"):
        opened(pool)


def children_of(pid: int) -> list[int]:
    """Numbers of the processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(text) for text in task.read_text().split()]
        except OSError:
            continue
    return found


OWNER = """
import sys, time
sys.path[:0] = sys.argv[1:]
import strange_items as strange
from cmcr_worker.decoding.encoded import Encoded, Limits
from cmcr_worker.decoding.pool import DecoderPool
pool = DecoderPool(3)
session = pool.session("image", strange.Strange(), Limits(), 3)
for number, action in enumerate((strange.SLEEP, strange.PROGRAM, strange.PLAIN)):
    task = session.submit(Encoded(name="x", data=strange.image(number, action)), None)
session.take(task, lambda: None)
print(*pool.pids(), flush=True)
time.sleep(600)
"""


def test_killed_owners_leave_no_orphan() -> None:
    """One decoder sleeps, one waits for a program, one is idle: SIGKILL of their owner ends them all."""
    path = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    with subprocess.Popen([sys.executable, "-c", OWNER, *path], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(text) for text in owner.stdout.readline().split()]
        assert len(pids) == 3
        wait_until(lambda: any(children_of(pid) for pid in pids), "the program that a decoder starts")
        pids += [child for pid in pids for child in children_of(pid)]
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids), "the end of the decoders")


def test_a_decoder_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = DecoderPool(2)
    try:
        with opened(pool) as session:
            answer = take(submit(session, 1))
        assert answer.fatal
        assert "cannot start (exit code 1)" in answer.message
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with opened(pool) as session:
            answer = take(submit(session, 1))
        assert answer.fatal
        assert "/nowhere/python" in answer.message
        monkeypatch.undo()
        with opened(pool) as session:
            assert take(submit(session, 4)).value[0] == 4
    finally:
        pool.close()


def test_nothing_grows(pool: DecoderPool) -> None:
    """Neither descriptors nor objects, over sessions that end well and badly."""

    def round_trip() -> None:
        with opened(pool, work_seconds=0.5) as session:
            tasks = [submit(session, number, strange.EXIT if number == 2 else 0) for number in range(6)]
            for task in tasks:
                take(task)

    round_trip()
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        round_trip()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    assert sum(type(found) is Session for found in gc.get_objects()) <= 1
