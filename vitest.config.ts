import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Those of the bridge and end to end start real workers; two at a time is what two cores carry.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A test that is left in alone would hide all others.
    allowOnly: false,
    restoreMocks: true,
  },
});
