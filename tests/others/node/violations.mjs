// What is wrong with a request, as the details of its error tell it.

import { join } from "node:path";

import { protobuf } from "./packages.mjs";

const BAD_REQUEST = "google.rpc.BadRequest";

/** The fields of the BadRequest in a status; `folder` has google/rpc/*.proto. */
export function violatedFields(status, folder) {
  const [details] = status.metadata?.get("grpc-status-details-bin") ?? [];
  if (!details) return [];
  const root = new protobuf.Root();
  root.resolvePath = (_, name) => (name.startsWith("google/rpc") ? join(folder, name) : name);
  root.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
  const badRequest = root.lookupType(BAD_REQUEST);
  return root
    .lookupType("google.rpc.Status")
    .decode(details)
    .details.filter((any) => any.type_url.endsWith(`/${BAD_REQUEST}`))
    .flatMap((any) => badRequest.decode(any.value).fieldViolations)
    .map((violation) => violation.field);
}
