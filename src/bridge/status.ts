import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Metadata } from "@grpc/grpc-js";

import { ErrorDetail } from "./gen/cmcr/v1/error.js";

/** Metadata key under which a status with details travels, by gRPC's convention. */
const DETAILS_KEY = "grpc-status-details-bin";
const DETAIL_TYPE = "type.googleapis.com/cmcr.v1.ErrorDetail";
const DEBUG_TYPE = "type.googleapis.com/google.rpc.DebugInfo";

/** What the worker said of an error, beyond code and message. */
export interface StatusDetails {
  readonly detail: ErrorDetail | undefined;
  /** Lines of the worker's traceback, for a bug in the worker. */
  readonly traceback: readonly string[];
}

const NO_DETAILS: StatusDetails = { detail: undefined, traceback: [] };

/**
 * Reads the details of a failed call; none where they are missing or malformed. Field numbers are those of google.rpc.Status
 * (details = 3), google.protobuf.Any (type_url = 1, value = 2) and
 * google.rpc.DebugInfo (stack_entries = 1).
 */
export function statusDetails(metadata: Metadata | undefined): StatusDetails {
  const [raw] = metadata?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(raw)) return NO_DETAILS;
  try {
    return decodeStatus(raw);
  } catch {
    // Whatever a proxy or another program has put there must not hide the error itself.
    return NO_DETAILS;
  }
}

function decodeStatus(raw: Uint8Array): StatusDetails {
  let detail: ErrorDetail | undefined;
  let traceback: readonly string[] = [];
  for (const packed of lengthDelimited(raw, 3)) {
    const [type] = lengthDelimited(packed, 1);
    const [value] = lengthDelimited(packed, 2);
    if (type === undefined || value === undefined) continue;
    const name = Buffer.from(type).toString("utf8");
    if (name === DETAIL_TYPE) detail = ErrorDetail.decode(value);
    if (name === DEBUG_TYPE) traceback = lengthDelimited(value, 1).map((line) => Buffer.from(line).toString("utf8"));
  }
  return { detail, traceback };
}

function lengthDelimited(data: Uint8Array, field: number): Uint8Array[] {
  const reader = new BinaryReader(data);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field) found.push(reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}
