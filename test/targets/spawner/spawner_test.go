package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

func TestChildExitsWithZero(t *testing.T) {
	path, args, err := writeChild(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", path, err, out)
	}
}

func TestWorkRunsAsManyCommandsAsTold(t *testing.T) {
	tests := []struct {
		name string
		job  job
	}{
		{"one after the other", job{Count: 5, Args: 2, ArgBytes: 10, Env: 1}},
		{"at a rate", job{Count: 5, Rate: 1000}},
		{"all at once, paused", job{Count: 5, Paused: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			if tt.job.Path, tt.job.First, err = writeChild(t.TempDir(), tt.job.Paused); err != nil {
				t.Fatal(err)
			}
			told, err := json.Marshal(tt.job)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := work(strings.NewReader(string(told)+"{}"), &out); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			var r result
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || r.Commands != tt.job.Count {
				t.Errorf("said %q (%v), want %d commands", lines, err, tt.job.Count)
			}
		})
	}
}
