// Prints what BuildKit's own checks say of Dockerfiles: `docker build --check` with every optional check, and without a
// registry. Every base is an empty image, so that no network is asked. One line of JSON for each file.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/util/appcontext"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type everything struct{}

func (everything) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)
	return ref, digest.FromBytes(config), config, nil
}

type finding struct {
	Rule   string `json:"rule"`
	Line   int32  `json:"line"`
	Detail string `json:"detail"`
}

type answer struct {
	File     string    `json:"file"`
	Error    string    `json:"error,omitempty"`
	Findings []finding `json:"findings"`
}

func check(ctx context.Context, file string) (*answer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	state := llb.Scratch()
	source := llb.NewSourceMap(&state, file, "Dockerfile", text)
	if source.Definition, err = state.Marshal(ctx); err != nil {
		return nil, err
	}
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{LinterConfig: &linter.Config{ExperimentalAll: true}},
		MetaResolver:   everything{},
		SourceMap:      source,
		TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"},
	})
	if err != nil {
		return nil, err
	}
	said := &answer{File: file, Findings: []finding{}}
	for _, warning := range results.Warnings {
		line := int32(0)
		if ranges := warning.Location.GetRanges(); len(ranges) > 0 {
			line = ranges[0].GetStart().GetLine()
		}
		said.Findings = append(said.Findings, finding{warning.RuleName, line, warning.Detail})
	}
	if results.Error != nil {
		said.Error = results.Error.Message
	}
	return said, nil
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, file := range os.Args[1:] {
		said, err := check(appcontext.Context(), file)
		if err == nil {
			err = out.Encode(said)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, file, err)
			os.Exit(1)
		}
	}
}
