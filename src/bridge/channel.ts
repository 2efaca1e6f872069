import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";

/** Bytes of one message, both ways; gRPC's default of 4 MiB counts framing too. */
export const MESSAGE_LIMIT = 64 * 1024 * 1024;

/** Bytes of one chunk of a matrix; larger ones are never clearly faster. */
export const CHUNK_BYTES = 1024 * 1024;

const FLOW_CONTROL_WINDOW = 16 * 1024 * 1024;

/** Calls that may be repeated without harm when the connection breaks before an answer. */
const REPEATABLE = [
  { service: "cmcr.v1.WorkerService", method: "GetInfo" },
  { service: "cmcr.v1.EncoderService", method: "DescribeEncoder" },
  { service: "cmcr.v1.EncoderService", method: "DescribeGenerated" },
  { service: "cmcr.v1.TensorService", method: "Release" },
  { service: "cmcr.v1.ConnectorService", method: "ReleaseConnector" },
];

/** Options of every channel to a worker: sizes, flow control, and which calls are retried. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MESSAGE_LIMIT,
  "grpc.max_send_message_length": MESSAGE_LIMIT,
  "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW,
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  "grpc.service_config": JSON.stringify({
    methodConfig: [
      {
        name: REPEATABLE,
        retryPolicy: {
          maxAttempts: 4,
          initialBackoff: "0.1s",
          maxBackoff: "2s",
          backoffMultiplier: 2,
          retryableStatusCodes: ["UNAVAILABLE"],
        },
      },
    ],
  }),
};

/** Credentials for a unix socket or a loopback address; neither leaves the machine. */
export function channelCredentials(): ChannelCredentials {
  return credentials.createInsecure();
}
