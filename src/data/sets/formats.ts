import { CSV } from "../../config/sources/tableFields.js";

/** With a header. */
export const HEADED = CSV;

/** Commas between fields, no header. */
export const headless = (...columns: readonly string[]) => ({ ...CSV, columns });

/** Tabs between fields, neither header nor quoting. */
export const tabbed = (...columns: readonly string[]) => ({ ...CSV, columns, delimiter: "\t", quote: null });
