package api

import (
	"net/http"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// configPath is where the state of the configuration is.
const configPath = "/health/config"

// configuration answers with what read returns: 200 when what the files say is
// in force, 503 when it is not. The agent works either way, with the
// configuration before, and /healthz and /readyz do not change. Without read
// nothing answers.
func configuration(read func() v1.Config) func(*http.Request) answer {
	if read == nil {
		return nil
	}
	return func(*http.Request) answer {
		c := read()
		if !c.InForce() {
			return answer{status: http.StatusServiceUnavailable, body: c}
		}
		return ok(c)
	}
}
