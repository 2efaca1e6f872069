import { rmSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { execa } from "execa";

import { CmcrError, EXIT } from "../errors.js";

/** How to start a worker process. */
export interface WorkerProcessOptions {
  /** The Python interpreter of the worker's environment. */
  readonly python: string;
  /** The folder that holds the package `cmcr_worker`. */
  readonly packageFolder: string;
  readonly device: string;
  readonly threads: number;
  /** Processes that decode items; the worker starts as many as there are cores where none are named. */
  readonly decoders?: number | null;
  /** Folders below which the worker may read and write. */
  readonly roots: readonly string[];
  /** Each line that the worker prints, for the log. */
  readonly onLine?: (line: string) => void;
  /** Module to run, for tests that start another one. */
  readonly module?: string;
  /** Loopback `host:port` to listen on in place of a unix socket. */
  readonly listen?: string;
}

/** How long a worker may take to end after SIGTERM before it is killed. */
const TERM_GRACE_MS = 2_000;
const TAIL_LINES = 20;
/** How the worker begins the one line that it prints when it refuses its arguments. */
const REFUSAL = "cmcr_worker: cannot start: ";

/**
 * A worker in a process group of its own, so that a terminal's Ctrl-C reaches only
 * the orchestrator, which then ends it in order. Its standard input is a pipe from
 * us: when we die, however that happens, it closes and the worker ends.
 */
export class WorkerProcess {
  readonly address: string;
  /** Settles when the process has ended; never rejects. */
  readonly exited: Promise<void>;
  #ended = false;
  #outcome = "";
  #stopping: Promise<void> | undefined;
  readonly #tail: string[] = [];
  readonly #child: ReturnType<typeof start>;
  readonly #socketFolder: string | undefined;

  private constructor(address: string, socketFolder: string | undefined, options: WorkerProcessOptions) {
    this.address = address;
    this.#socketFolder = socketFolder;
    this.#child = start(address, options);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      // Drained to the end: a full pipe would stop the worker.
      createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
        this.#tail.push(line);
        if (this.#tail.length > TAIL_LINES) this.#tail.shift();
        options.onLine?.(line);
      });
    }
    this.#child.stdin.on("error", () => undefined);
    this.exited = this.#child.then((result) => {
      this.#ended = true;
      this.#outcome =
        result.signal !== undefined
          ? `was killed by ${result.signal}${result.signal === "SIGKILL" ? " (the system does so when memory runs out)" : ""}`
          : result.exitCode === undefined
            ? `could not be started (${result.originalMessage ?? "unknown cause"})`
            : `ended with exit code ${result.exitCode}`;
      process.off("exit", this.#killNow);
      this.#removeSocket();
    });
    process.on("exit", this.#killNow);
  }

  /** Starts the process; it is not ready before it answers GetInfo. */
  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    if (options.listen !== undefined) return new WorkerProcess(options.listen, undefined, options);
    const folder = await mkdtemp(join(tmpdir(), "cmcr-")).catch((cause: unknown) => {
      throw new CmcrError(`the temporary folder ${tmpdir()} cannot be written, so the worker has no place for its socket. Set TMPDIR to one that can.`, {
        code: EXIT.worker,
        reason: "NO_TEMPORARY_FOLDER",
        path: tmpdir(),
        cause,
      });
    });
    await chmod(folder, 0o700);
    const socket = join(folder, "worker.sock");
    if (Buffer.byteLength(socket) > 107) {
      await rm(folder, { recursive: true, force: true });
      throw new CmcrError(
        `the temporary folder ${tmpdir()} is too long for a socket: a socket's path may have 107 bytes, ${socket} has ${Buffer.byteLength(socket)}. Set TMPDIR to a shorter folder.`,
        { code: EXIT.worker, reason: "SOCKET_PATH_TOO_LONG", path: socket },
      );
    }
    return new WorkerProcess(`unix:${socket}`, folder, options);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended, with its last lines: part of an error's message. Empty while it runs. */
  describeEnd(): string {
    if (!this.#ended) return "";
    const tail = this.#tail.filter((line) => !line.includes("listening on")).slice(-5);
    return tail.length === 0 ? this.#outcome : `${this.#outcome}; its last lines:\n  ${tail.join("\n  ")}`;
  }

  /** The sentence with which it refused to start, if that is how it ended. */
  refusal(): string | null {
    const last = this.#tail.at(-1);
    return this.#ended && last?.startsWith(REFUSAL) === true ? last.slice(REFUSAL.length) : null;
  }

  /** Ends the worker: SIGTERM, then SIGKILL; waits until it is gone. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    if (!this.#ended) {
      this.#signal("SIGTERM");
      const timer = setTimeout(() => {
        this.#signal("SIGKILL");
      }, TERM_GRACE_MS);
      await this.exited;
      clearTimeout(timer);
    }
  }

  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#ended) return;
    try {
      // The group: whatever the worker itself has started ends with it.
      process.kill(-pid, signal);
    } catch {
      this.#child.kill(signal);
    }
  }

  readonly #killNow = (): void => {
    this.#signal("SIGKILL");
    this.#removeSocket();
  };

  /** At once: when this process exits there is no later. */
  #removeSocket(): void {
    if (this.#socketFolder !== undefined) rmSync(this.#socketFolder, { recursive: true, force: true });
  }
}

function start(address: string, options: WorkerProcessOptions) {
  return execa(
    options.python,
    [
      "-m",
      options.module ?? "cmcr_worker",
      `--listen=${address}`,
      `--device=${options.device}`,
      `--threads=${options.threads}`,
      ...(options.decoders == null ? [] : [`--decoders=${options.decoders}`]),
      ...options.roots.map((root) => `--root=${root}`),
      "--exit-with-stdin",
    ],
    {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      buffer: false,
      reject: false,
      detached: true,
      cleanup: false,
      // PYTHONSAFEPATH: or else a torch.py or grpc/ in the folder that the user is in would be imported in place of ours.
      env: { PYTHONPATH: options.packageFolder, PYTHONSAFEPATH: "1", PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "" },
    },
  );
}
