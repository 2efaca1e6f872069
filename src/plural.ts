/** A count with its noun in the right number: `1 file`, `3 files`; `2 classes` with its plural given. */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}
