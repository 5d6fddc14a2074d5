// The packages of package.json, which are installed in $OTHERS_NODE_FOLDER and not beside us.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.OTHERS_NODE_FOLDER, "package.json"));

export const grpc = require("@grpc/grpc-js");
export const loader = require("@grpc/proto-loader");
export const protobuf = require("protobufjs");
export const descriptors = require("protobufjs/ext/descriptor");
