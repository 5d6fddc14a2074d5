// Where @grpc/grpc-js learns what a service looks like: from .proto files, or from the server.

import { descriptors, grpc, loader } from "./packages.mjs";

// Names as the .proto files spell them, which is also how descriptions by reflection do.
const OPTIONS = { keepCase: true, longs: String, enums: String };

function load(service, folders, options) {
  const parts = service.split(".");
  const file = parts.pop().replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
  return loader.loadSync(`${parts.join("/")}/${file}.proto`, { ...options, includeDirs: folders });
}

/** By the file that the service is in, which is named after it. */
export function describeByFiles(service, folders) {
  return load(service, folders, OPTIONS);
}

/** By reflection alone: the service's file and, one after the other, the files that it needs. */
export async function describeByReflection(service, address, credentials, ownProtos) {
  const client = reflectionClient(address, credentials, ownProtos);
  const stream = client.ServerReflectionInfo();
  const answers = stream[Symbol.asyncIterator]();
  const files = new Map();
  const wanted = [{ fileContainingSymbol: service }];
  while (wanted.length > 0) {
    stream.write(wanted.pop());
    const { value } = await answers.next();
    for (const bytes of value.fileDescriptorResponse.fileDescriptorProto) {
      const file = descriptors.FileDescriptorProto.decode(bytes);
      files.set(file.name, file);
    }
    const missing = namesMissing(files);
    if (wanted.length === 0 && missing.length > 0) wanted.push({ fileByFilename: missing[0] });
  }
  stream.end();
  client.close();
  const set = descriptors.FileDescriptorSet.create({ file: [...files.values()] });
  return loader.loadFileDescriptorSetFromBuffer(
    descriptors.FileDescriptorSet.encode(set).finish(),
    OPTIONS,
  );
}

function reflectionClient(address, credentials, ownProtos) {
  const described = load("grpc.reflection.v1.Reflection", [ownProtos], {});
  const { ServerReflection } = grpc.loadPackageDefinition(described).grpc.reflection.v1;
  return new ServerReflection(address, credentials);
}

function namesMissing(files) {
  const needed = [...files.values()].flatMap((file) => file.dependency ?? []);
  return needed.filter((name) => !files.has(name));
}
