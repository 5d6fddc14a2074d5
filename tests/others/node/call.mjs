// Calls one method by @grpc/grpc-js and prints what came back: one JSON object, whether the call
// ended well or not. The one argument is JSON too: `address`, `method`, `messages`, `seconds`, `access`
// (null: no TLS; else the files `ca`, `certificate` and `key`, and a `token`, all but the first of
// which may be null), `is_reflected` (else .proto files are read), and folders: `protos`,
// `own_protos`, `common_protos`.

import { readFileSync } from "node:fs";

import { describeByFiles, describeByReflection } from "./descriptions.mjs";
import { grpc } from "./packages.mjs";
import { violatedFields } from "./violations.mjs";

const asked = JSON.parse(process.argv[2]);
const [service, method] = asked.method.split("/");
const credentials = asked.access
  ? credentialsFor(asked.access)
  : grpc.credentials.createInsecure();

function credentialsFor(access) {
  const read = (file) => (file === null ? null : readFileSync(file));
  const files = [access.ca, access.key, access.certificate];
  const tls = grpc.credentials.createSsl(...files.map(read));
  return access.token === null ? tls : withToken(tls, access.token);
}

function withToken(tls, token) {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  const bearer = grpc.credentials.createFromMetadataGenerator((_, give) => give(null, metadata));
  return grpc.credentials.combineChannelCredentials(tls, bearer);
}

function describe() {
  return asked.is_reflected
    ? describeByReflection(service, asked.address, credentials, asked.own_protos)
    : describeByFiles(service, [asked.protos, asked.own_protos]);
}

/** Start a call with one message; tell its answer to `keep`, return how it ended. */
function callOnce(client, deadline, keep) {
  return new Promise((resolve) => {
    client[method](asked.messages[0], { deadline }, (error, answer) => {
      if (!error) keep(answer);
      resolve(error ?? { code: grpc.status.OK });
    });
  });
}

/** Start a call with a stream of messages; tell its answers to `keep`, return how it ended. */
function callStream(client, deadline, keep) {
  return new Promise((resolve) => {
    const stream = client[method]({ deadline });
    // The status has the error too; here it would be thrown without a listener.
    stream.on("data", keep).on("error", () => {}).on("status", resolve);
    for (const message of asked.messages) stream.write(message);
    stream.end();
  });
}

async function outcome(keep) {
  try {
    const described = grpc.loadPackageDefinition(await describe());
    const Client = service.split(".").reduce((part, name) => part[name], described);
    const client = new Client(asked.address, credentials);
    const call = client[method].requestStream ? callStream : callOnce;
    return await call(client, Date.now() + asked.seconds * 1000, keep).finally(() => client.close());
  } catch (error) {
    if (error.code in grpc.status) return error;
    throw error;
  }
}

const answers = [];
const status = await outcome((answer) => answers.push(answer));
const fields = violatedFields(status, asked.common_protos);
console.log(JSON.stringify({ answers, code: status.code, fields }));
