// Calls one method by generated code and prints what came back, as node/call.mjs does: one JSON
// object, whether the call ended well or not. The one argument is JSON too.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// question is one call and where it goes.
type question struct {
	Address  string            `json:"address"`
	Method   string            `json:"method"`
	Messages []json.RawMessage `json:"messages"`
	Access   *access           `json:"access"`
	Seconds  float64           `json:"seconds"`
}

// outcome is what came back.
type outcome struct {
	Answers []json.RawMessage `json:"answers"`
	Code    uint32            `json:"code"`
	Fields  []string          `json:"fields"`
}

func main() {
	var asked question
	must(json.Unmarshal([]byte(os.Args[1]), &asked))
	connection, err := grpc.NewClient(asked.Address, grpc.WithTransportCredentials(asked.Access.tls()))
	must(err)
	defer connection.Close()
	said, err := json.Marshal(call(asked, connection))
	must(err)
	fmt.Println(string(said))
}

func call(asked question, connection *grpc.ClientConn) outcome {
	patience := time.Duration(asked.Seconds * float64(time.Second))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if asked.Access != nil && asked.Access.Token != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+*asked.Access.Token)
	}
	said := outcome{Answers: []json.RawMessage{}, Fields: []string{}}
	err := methods(connection)[asked.Method](ctx, asked.Messages, func(answer proto.Message) {
		text, err := protojson.Marshal(answer)
		must(err)
		said.Answers = append(said.Answers, text)
	})
	said.Code = uint32(status.Code(err))
	said.Fields = append(said.Fields, refusedFields(err)...)
	return said
}

// refusedFields returns the fields that a BadRequest in the details of an error names.
func refusedFields(err error) (fields []string) {
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range bad.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		}
	}
	return fields
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
