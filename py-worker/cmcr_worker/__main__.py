"""`python -m cmcr_worker`: starts the worker. See `--help`."""

from cmcr_worker.server.command import main

if __name__ == "__main__":
    raise SystemExit(main())
