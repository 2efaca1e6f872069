import { createRequire } from "node:module";

import type { Metadata} from "@grpc/grpc-js";
import { type Client, type ClientUnaryCall, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { DEADLINE_MS, type CallContext, unary } from "./calls.js";
import { CHANNEL_OPTIONS, channelCredentials } from "./channel.js";

/** How a server says that it can be used; the names of grpc.health.v1. */
export type ServingStatus = "UNKNOWN" | "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";

interface HealthClient extends Client {
  check(
    request: { readonly service: string },
    metadata: Metadata,
    options: { readonly deadline?: Date | number },
    callback: (error: ServiceError | null, response: { readonly status: ServingStatus }) => void,
  ): ClientUnaryCall;
}

/**
 * Asks the standard health service of the server at `address`. An empty `service`
 * asks for the server as a whole. The protocol is gRPC's own and not ours, so its
 * definition is loaded from the package that ships it.
 */
export async function checkHealth(context: CallContext, address: string, service = ""): Promise<ServingStatus> {
  const file = createRequire(import.meta.url).resolve("grpc-health-check/proto/health/v1/health.proto");
  const loaded = loadPackageDefinition(loadSync(file, { enums: String, defaults: true })) as unknown as {
    readonly grpc: { readonly health: { readonly v1: { readonly Health: new (...args: unknown[]) => HealthClient } } };
  };
  const client = new loaded.grpc.health.v1.Health(address, channelCredentials(), CHANNEL_OPTIONS);
  try {
    const { status } = await unary(context, "health check", DEADLINE_MS.short, client.check.bind(client), { service });
    return status;
  } finally {
    client.close();
  }
}
