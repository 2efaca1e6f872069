import { describe, expect, it } from "vitest";
import { parse } from "yaml";

import { experimentJsonSchema } from "../../../src/config/jsonSchema.js";
import { DIGITS, MINIMAL, shipped } from "./samples.js";

interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Node;
  readonly items?: Node | false;
  readonly prefixItems?: readonly Node[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
}

const schema = experimentJsonSchema() as Node;

/** Where a value breaks the part of JSON Schema that this schema is written in. */
function violations(node: Node, value: unknown, path = ""): string[] {
  const options = node.anyOf ?? node.oneOf;
  if (options !== undefined) {
    const fits = options.filter((option) => violations(option, value, path).length === 0).length;
    return fits === 0 || (node.oneOf !== undefined && fits > 1) ? [`${path}: fits ${fits} options`] : [];
  }
  if (node.const !== undefined) return node.const === value ? [] : [`${path}: not ${JSON.stringify(node.const)}`];
  if (node.enum !== undefined) return node.enum.includes(value) ? [] : [`${path}: not one of the choices`];
  switch (node.type) {
    case "object":
      return violationsOfMap(node, value, path);
    case "array":
      if (!Array.isArray(value)) return [`${path}: no list`];
      return value.flatMap((item, index) => violations(node.prefixItems?.[index] ?? (node.items || {}), item, `${path}.${index}`));
    case "string":
      return typeof value === "string" && (node.pattern === undefined || new RegExp(node.pattern, "u").test(value)) ? [] : [`${path}: no such text`];
    case "number":
    case "integer": {
      const isNumber = typeof value === "number" && (node.type === "number" || Number.isInteger(value));
      return isNumber && value >= (node.minimum ?? -Infinity) && value > (node.exclusiveMinimum ?? -Infinity) ? [] : [`${path}: no such number`];
    }
    default:
      return [`${path}: a schema of no known kind`];
  }
}

function violationsOfMap(node: Node, value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path}: no map`];
  const missing = (node.required ?? []).filter((name) => !(name in value)).map((name) => `${path}.${name}: missing`);
  const wrong = Object.entries(value).flatMap(([name, item]) => {
    const field = node.properties?.[name] ?? node.additionalProperties;
    return typeof field === "object" ? violations(field, item, `${path}.${name}`) : [`${path}.${name}: unknown`];
  });
  return [...missing, ...wrong];
}

function fieldsWithoutDescription(node: unknown, path: string): string[] {
  if (typeof node !== "object" || node === null) return [];
  const { properties = {} } = node as Node;
  const here = Object.entries(properties).flatMap(([name, field]) => (field.description === undefined || field.description.length < 8 ? [`${path}.${name}`] : []));
  return [...here, ...Object.entries(node).flatMap(([name, part]) => fieldsWithoutDescription(part, `${path}.${name}`))];
}

describe("the JSON Schema", () => {
  it("is of draft 2020-12 and describes every field", () => {
    expect(schema).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", additionalProperties: false });
    expect(fieldsWithoutDescription(schema, "")).toEqual([]);
    expect(Object.keys(schema.properties ?? {})).toEqual(["version", "name", "seed", "seeds", "folders", "worker", "spaces", "data", "connect", "evaluate"]);
  });

  it.each([
    ["the interface's example", DIGITS],
    ["the least experiment", MINIMAL],
    ["quickstart.yaml", shipped("quickstart")],
    ["quickstart-3d.yaml", shipped("quickstart-3d")],
    ["own-embeddings.yaml", shipped("own-embeddings")],
  ])("accepts %s", (_what, text) => {
    expect(violations(schema, parse(text))).toEqual([]);
  });

  it.each([
    ["an unknown field", "epochs: 36", "epoch: 36"],
    ["a wrong type", "epochs: 36", "epochs: many"],
    ["an impossible value", "epochs: 36", "epochs: 0"],
    ["an unknown provider", "clip: { provider: precomputed }", "clip: { provider: other }"],
    ["an unknown baseline", "procrustes, ridge]", "procrustes, bridge]"],
    ["a missing field", "  overlap: captions\n", ""],
    ["an unknown schedule", "schedule: cosine", "schedule: sine"],
    ["an unsafe name", "name: digits", "name: a/b"],
  ])("refuses %s", (_what, from, to) => {
    expect(violations(schema, parse(DIGITS.replace(from, to)))).not.toEqual([]);
  });
});
