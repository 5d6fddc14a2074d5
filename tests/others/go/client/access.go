package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// access is what a call to a server with TLS needs: files, and a token; only the CA is always there.
type access struct {
	CA          string  `json:"ca"`
	Certificate *string `json:"certificate"`
	Key         *string `json:"key"`
	Token       *string `json:"token"`
}

// tls returns the transport credentials; without access, the connection is not encrypted.
func (own *access) tls() credentials.TransportCredentials {
	if own == nil {
		return insecure.NewCredentials()
	}
	authority, err := os.ReadFile(own.CA)
	must(err)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if own.Certificate != nil {
		pair, err := tls.LoadX509KeyPair(*own.Certificate, *own.Key)
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config)
}
