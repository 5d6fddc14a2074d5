"""The gRPC surface: servicers, validation, interceptors, health, protobuf in and out."""
