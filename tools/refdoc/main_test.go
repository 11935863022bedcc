package main

import (
	"os"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

func TestReference_isWhatTheSchemasSay(t *testing.T) {
	got, err := os.ReadFile("../../docs/probes.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(render(probes.All())) {
		t.Error("docs/probes.md differs from the schemas: run `make generate` and commit it")
	}
}
