// `npm run build`, and `npm run proto` with --stubs: what is not built yet.
import process from "node:process";
import { runBootstrap } from "./setup/entry.mjs";

const steps = ["packages", "stubs"];
await runBootstrap({ only: process.argv.includes("--stubs") ? steps : [...steps, "build"] });
