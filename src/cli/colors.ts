import picocolors from "picocolors";

type Colors = ReturnType<typeof picocolors.createColors>;

function allowed(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
}

/** Colours where standard error is a terminal, else none. */
export function stderrColors(): Colors {
  return picocolors.createColors(allowed(process.stderr));
}

/** Whether standard output is a terminal that shows colours. */
export function stdoutHasColors(): boolean {
  return allowed(process.stdout);
}
