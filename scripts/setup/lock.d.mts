export interface LockHolder {
  readonly pid: number;
  readonly host: string;
}
/** Whether the holder that a lock file names is gone; `age` in milliseconds since its last heartbeat. */
export function isStale(holder: LockHolder | undefined, age: number, here?: string, isAlive?: (pid: number) => boolean): boolean;
/** Runs `work` while holding the lock at `path`, and gives back what it returns. */
export function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options?: { readonly onWait?: (pid: number | undefined) => void; readonly signal?: AbortSignal | undefined },
): Promise<T>;
