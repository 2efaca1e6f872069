// @ts-check
/** Sorting a compiled list of pinned Python packages into the lock files. */

const CUDA_ONLY = /^(cuda-|nvidia-|triton$)/;

/** The entries of a pip-compile output: name, and the text with its checksums. */
export function entries(compiled) {
  const found = [];
  for (const line of compiled.split("\n")) {
    const name = /^([A-Za-z0-9][A-Za-z0-9._-]*)==/.exec(line)?.[1];
    if (name !== undefined) found.push({ name: name.toLowerCase(), text: line });
    else if (/^\s+\S/.test(line) && found.length > 0) found.at(-1).text += `\n${line}`;
  }
  return found;
}

/**
 * What every machine needs, PyTorch itself, and what only its CUDA build needs.
 * PyTorch is pinned with `===`: a local version such as `+cpu` would satisfy
 * `==`, win over the index's, and then fail on the checksum.
 */
export function splitLocks(compiled) {
  const all = entries(compiled);
  const text = (part) => part.map((entry) => entry.text).join("\n");
  const cuda = all.filter((entry) => CUDA_ONLY.test(entry.name));
  const torch = all.filter((entry) => entry.name === "torch");
  const runtime = all.filter((entry) => !cuda.includes(entry) && !torch.includes(entry));
  return { runtime: text(runtime), torch: text(torch).replace("==", "==="), cuda: text(cuda) };
}
