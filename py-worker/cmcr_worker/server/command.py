"""The worker's command line: its one channel of configuration besides the requests."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The arguments of `python -m cmcr_worker`."""
    arguments = argparse.ArgumentParser(
        prog="cmcr_worker", description="The worker of cmcr: serves cmcr.v1 over gRPC."
    )
    arguments.add_argument(
        "--listen",
        required=True,
        help="unix:/path/to/socket, or a loopback address such as 127.0.0.1:50051",
    )
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    arguments.add_argument("--threads", type=int, default=1, help="threads that torch uses for one operation")
    arguments.add_argument(
        "--decoders",
        type=int,
        help="processes that decode images, sounds and clouds; as many as there are cores unless given",
    )
    arguments.add_argument(
        "--root",
        action="append",
        default=[],
        type=Path,
        help="a folder below which files may be read and written; may be repeated",
    )
    arguments.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="end when standard input closes, that is, when the parent process ends",
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, or until the parent is gone. Returns the exit status."""
    options = parser().parse_args(argv)
    if options.threads < 1:
        print("cmcr_worker: cannot start: --threads must be at least 1", file=sys.stderr)
        return 2
    if options.decoders is not None and options.decoders < 1:
        print("cmcr_worker: cannot start: --decoders must be at least 1", file=sys.stderr)
        return 2
    # Set before torch is loaded: its BLAS reads them once, and two threads on two
    # busy cores can be ten times slower than one.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)

    from cmcr_worker.errors import WorkerError
    from cmcr_worker.server.application import serve

    try:
        return serve(
            address=options.listen,
            device=options.device,
            threads=options.threads,
            decoders=options.decoders,
            roots=[root.resolve() for root in options.root],
            exit_with_stdin=options.exit_with_stdin,
        )
    except WorkerError as error:
        print(f"cmcr_worker: cannot start: {error.message}. {error.remedy}".rstrip(), file=sys.stderr)
        return 2
