import { BASELINES } from "../evaluate/baselines.js";
import { experimentJsonSchema } from "./jsonSchema.js";
import { PART_OF_JOINED } from "./sources/joined.js";

/** The parts of a JSON Schema that the reference shows. */
interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly prefixItems?: readonly Node[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly $ref?: string;
}

interface Row {
  readonly path: string;
  readonly values: string;
  readonly fallback: string;
  readonly description: string;
}

const HEAD = `# The experiment file

Every field, made from the schema that files are checked against (\`cmcr schema --markdown\`). Where a field has a default it may be left out. A value that may be a schedule is a number, or a map such as \`{ schedule: cosine, from: 1e-3, to: 0 }\`. Relative paths start from the file.

`;

const FIELDS_HEAD = `| field | values | default | what it is |
| --- | --- | --- | --- |
`;

const BASELINES_HEAD = `
## Baselines

What a connection is compared with; all but \`chance\` are fitted on the overlap and the memories alone. \`NAME+gap\` subtracts each modality's memory mean before comparing.

| name | what it does | parameters |
| --- | --- | --- |
`;

/** The reference of an experiment file as Markdown: a row for each field, and one for each baseline. */
export function experimentReference(): string {
  const baselines = BASELINES.map(({ name, description, parameters }) => {
    const settings = Object.entries(parameters).map(([key, value]) => `\`${key}\` ${value ?? "all"}`);
    return `| \`${name}\` | ${escape(description)} | ${settings.join(", ")} |\n`;
  });
  return HEAD + fieldTable(experimentJsonSchema()) + BASELINES_HEAD + baselines.join("");
}

/** The fields of a file's JSON Schema as a table in Markdown. */
export function fieldTable(jsonSchema: Readonly<Record<string, unknown>>): string {
  const schema = jsonSchema as Node & { readonly $defs?: Readonly<Record<string, Node>> };
  const resolve = (node: Node): Node => {
    const target = node.$ref === undefined ? undefined : schema.$defs?.[node.$ref.replace("#/$defs/", "")];
    return target === undefined ? node : { ...resolve(target), ...node };
  };
  const rows = fieldsOf(schema, "", resolve);
  const unique = [...new Map(rows.map((row) => [`${row.path} ${row.values} ${row.description}`, row])).values()];
  const fields = unique.map(({ path, values, fallback, description }) => `| \`${path}\` | ${values} | ${fallback} | ${description} |\n`);
  return FIELDS_HEAD + fields.join("");
}

function fieldsOf(given: Node, path: string, resolve: (node: Node) => Node): Row[] {
  const node = resolve(given);
  const rows: Row[] = [];
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const own = path === "" ? name : `${path}.${name}`;
    const full = resolve(child);
    rows.push({
      path: own,
      values: valuesOf(full, resolve),
      fallback: full.default !== undefined ? `\`${JSON.stringify(full.default)}\`` : node.required?.includes(name) === true ? "needed" : "",
      description: escape(full.description ?? ""),
    });
    rows.push(...fieldsOf(full, own, resolve));
  }
  if (typeof node.additionalProperties === "object") rows.push(...fieldsOf(node.additionalProperties, `${path}.NAME`, resolve));
  const item = node.prefixItems?.[0] ?? node.items;
  // Its fields are those of the sources that stand beside it.
  if (item !== undefined && item.$ref?.endsWith(`/${PART_OF_JOINED}`) !== true) rows.push(...fieldsOf(item, `${path}[]`, resolve));
  // A schedule's own fields are the same everywhere, and told once above.
  for (const choice of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) if (!isSchedule(choice, resolve)) rows.push(...fieldsOf(choice, path, resolve));
  return rows;
}

function valuesOf(given: Node, resolve: (node: Node) => Node): string {
  const node = resolve(given);
  if (node.const !== undefined) return `\`${JSON.stringify(node.const).replaceAll(`"`, "")}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(", ");
  const choices = [...(node.anyOf ?? []), ...(node.oneOf ?? [])];
  if (choices.length > 0) return [...new Set(choices.map((choice) => (isSchedule(choice, resolve) ? "schedule" : valuesOf(choice, resolve))))].join(", ");
  const item = node.prefixItems?.[0] ?? node.items;
  if (item !== undefined) return `list of ${valuesOf(item, resolve)}`;
  return node.type === "object" ? "map" : (node.type ?? "any");
}

function isSchedule(given: Node, resolve: (node: Node) => Node): boolean {
  const node = resolve(given);
  return node.properties?.["schedule"] !== undefined || [...(node.oneOf ?? []), ...(node.anyOf ?? [])].some((choice) => isSchedule(choice, resolve));
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
