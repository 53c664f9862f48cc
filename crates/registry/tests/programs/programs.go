//go:build programs

// Package programs names other people's programs that the tests build: a client, and the suite of the specification.
package programs

import (
	_ "github.com/google/go-containerregistry/cmd/crane"
	_ "github.com/opencontainers/distribution-spec/conformance"
)
