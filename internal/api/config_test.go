package api

import (
	"net/http/httptest"
	"testing"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func TestConfiguration(t *testing.T) {
	resource := func(state string) []v1.ConfigResource {
		return []v1.ConfigResource{{Kind: "Probe", Name: "tcp", State: "applied"}, {Kind: "Probe", Name: "exec", State: state}}
	}
	tests := []struct {
		name   string
		config v1.Config
		status int
		body   string
	}{
		{"no files", v1.Config{State: "ok", Files: []string{}, Resources: []v1.ConfigResource{}}, 200, `{"state":"ok","files":[],"resources":[]}` + "\n"},
		{"in force", v1.Config{State: "ok", Resources: resource("applied")}, 200, ""},
		{"waits for a restart", v1.Config{State: "ok", Resources: resource("pending-restart")}, 200, ""},
		{"not applied", v1.Config{State: "ok", Resources: resource("error")}, 503, ""},
		{"rejected", v1.Config{State: "rejected", Resources: resource("applied")}, 503, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := configuration(func() v1.Config { return tt.config })(httptest.NewRequest("GET", configPath, nil))
			if a.status != tt.status {
				t.Errorf("status %d, want %d", a.status, tt.status)
			}
			if got := string(a.text()); tt.body != "" && got != tt.body {
				t.Errorf("body %s, want %s", got, tt.body)
			}
		})
	}
}
