// @ts-check
/**
 * A lock file, so that two set-ups of one checkout do not trample each other.
 * The holder touches it while it works; a lock whose holder is gone is taken over.
 */
import { randomUUID } from "node:crypto";
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const HEARTBEAT_MS = 5_000;
const POLL_MS = 250;
/** A holder on another machine cannot be asked whether it lives: only its heartbeat counts. */
const REMOTE_STALE_MS = 60_000;
/** A local process may be stopped for a while; after this its number has probably been given to another. */
const LOCAL_STALE_MS = 600_000;

/** Whether a process of that number exists here. */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Whether the holder that a lock file names is gone. `age` is the time since
 * its last heartbeat, in milliseconds.
 */
export function isStale(holder, age, here = hostname(), isAlive = alive) {
  if (holder === undefined) return age > HEARTBEAT_MS; // being written, or cut short
  if (holder.host !== here) return age > REMOTE_STALE_MS;
  return !isAlive(holder.pid) || age > LOCAL_STALE_MS;
}

/** What the lock file at `path` says, or undefined when there is none. */
function inspect(path) {
  try {
    const text = readFileSync(path, "utf8");
    const age = Date.now() - statSync(path).mtimeMs;
    try {
      return { text, age, holder: JSON.parse(text) };
    } catch {
      return { text, age, holder: undefined };
    }
  } catch {
    return undefined;
  }
}

function tryCreate(path, text) {
  let descriptor;
  try {
    descriptor = openSync(path, "wx");
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
  writeSync(descriptor, text);
  closeSync(descriptor);
  return true;
}

/** Moves a stale lock away; puts it back if another process has renewed it meanwhile. */
function evict(path, expected) {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== expected) linkSync(aside, path);
  } catch {
    // Another waiter was faster: the next round sees its lock.
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * Runs `work` while holding the lock at `path`, and gives back what it returns.
 * `onWait` is called once, with the holder's process number, if it must wait.
 */
export async function withLock(path, work, { onWait = () => {}, signal = undefined } = {}) {
  mkdirSync(dirname(path), { recursive: true });
  const text = JSON.stringify({ pid: process.pid, host: hostname(), token: randomUUID() });
  let told = false;
  while (!tryCreate(path, text)) {
    signal?.throwIfAborted();
    const found = inspect(path);
    if (found === undefined) continue;
    if (isStale(found.holder, found.age)) {
      evict(path, found.text);
      continue;
    }
    if (!told) onWait(found.holder?.pid);
    told = true;
    await sleep(POLL_MS, undefined, { signal });
  }
  const release = () => {
    if (inspect(path)?.text === text) rmSync(path, { force: true });
  };
  process.once("exit", release);
  const heartbeat = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // The folder was removed by hand; the work goes on without a lock.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.removeListener("exit", release);
    release();
  }
}
