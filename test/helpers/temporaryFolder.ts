import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onTestFinished } from "vitest";

/** Where this program's temporary files go, also when a test gives its own worker another place. */
const PLACE = realpathSync(tmpdir());

/** A new folder that is removed when the running test has finished. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(PLACE, "cmcr-test-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
