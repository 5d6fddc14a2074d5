package main

import (
	"context"
	"encoding/json"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	symbolonv1 "example.org/crashes/gen/go/symbolon/v1"
)

// method makes a call with these messages and gives each answer to keep.
type method func(ctx context.Context, messages []json.RawMessage, keep func(proto.Message)) error

// methods returns the methods that the tests call, by the generated clients.
func methods(connection *grpc.ClientConn) map[string]method {
	symbolication := symbolonv1.NewSymbolicationServiceClient(connection)
	modules := symbolonv1.NewModuleServiceClient(connection)
	health := grpc_health_v1.NewHealthClient(connection)
	return map[string]method{
		"symbolon.v1.SymbolicationService/Symbolicate":       unary(symbolication.Symbolicate),
		"symbolon.v1.SymbolicationService/SymbolicateStream": stream(symbolication.SymbolicateStream),
		"symbolon.v1.ModuleService/PrefetchModules":          unary(modules.PrefetchModules),
		"grpc.health.v1.Health/Check":                        unary(health.Check),
	}
}

func unary[Request, Response proto.Message](
	ask func(context.Context, Request, ...grpc.CallOption) (Response, error),
) method {
	return func(ctx context.Context, messages []json.RawMessage, keep func(proto.Message)) error {
		answer, err := ask(ctx, read[Request](messages[0]))
		if err == nil {
			keep(answer)
		}
		return err
	}
}

func stream(
	open func(context.Context, ...grpc.CallOption) (symbolonv1.SymbolicationService_SymbolicateStreamClient, error),
) method {
	return func(ctx context.Context, messages []json.RawMessage, keep func(proto.Message)) error {
		opened, err := open(ctx)
		if err != nil {
			return err
		}
		for _, message := range messages {
			// Recv returns the reason of a failed Send.
			if opened.Send(read[*symbolonv1.SymbolicateStreamRequest](message)) != nil {
				break
			}
		}
		must(opened.CloseSend())
		for {
			answer, err := opened.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			keep(answer)
		}
	}
}

// read parses a message; a nil one is enough for protobuf to make a new one of its type.
func read[Message proto.Message](text json.RawMessage) Message {
	var none Message
	message := none.ProtoReflect().New().Interface()
	must(protojson.Unmarshal(text, message))
	return message.(Message)
}
