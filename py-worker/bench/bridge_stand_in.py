"""The worker with a trainer whose every step sleeps for 10 ms: what remains is the bridge.

Everything but the step is the real worker: server, threads, queues, coding of messages, and the
projectors' bytes at the end. Takes the worker's own arguments.

    python -m bench.bridge_stand_in --listen unix:/path/to/socket
"""

from __future__ import annotations

import time

from cmcr_worker.connectors.plan import StepPlan, StepReport
from cmcr_worker.connectors.training import ProjectorTrainer
from cmcr_worker.server import training
from cmcr_worker.server.command import main

STEP_SECONDS = 0.010


class StandInTrainer(ProjectorTrainer):
    """Takes the same start and gives the bytes of the same heads at the end, but learns nothing.

    Its reports have no loss terms; `seconds` is what the sleep really took.
    """

    _taken: tuple[StepReport, ...] = ()

    def step(self, plan: StepPlan) -> None:
        began = time.perf_counter()
        time.sleep(STEP_SECONDS)
        report = StepReport(
            number=plan.number,
            loss=0.0,
            overlap=None,
            pseudo=None,
            intra=None,
            gradient_norms=(0.0, 0.0),
            seconds=time.perf_counter() - began,
        )
        self._taken = (*self._taken, report)

    def flush(self) -> list[StepReport]:
        taken, self._taken = self._taken, ()
        return list(taken)


if __name__ == "__main__":
    # The server builds its trainer by this name.
    vars(training)["ProjectorTrainer"] = StandInTrainer
    raise SystemExit(main())
