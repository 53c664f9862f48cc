// Package conformance names the suite of the OCI distribution specification, so that its tests can be built from here.
package conformance

import _ "github.com/opencontainers/distribution-spec/conformance"
