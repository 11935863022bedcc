package v1

// Config is the state of the agent's configuration.
type Config struct {
	// State is "ok", or "rejected" when the files have errors: what they said
	// before is in force then.
	State string `json:"state"`
	// Files are those of the configuration in force; empty when all is as by
	// default.
	Files []string `json:"files"`
	// Hash names their content; absent without files.
	Hash string `json:"hash,omitempty"`
	// LoadedAt is when it came in force, and Generation counts the
	// configurations that did; absent without files.
	LoadedAt   *Time  `json:"loaded_at,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	// RejectedAt and Errors are when and why the files were rejected; absent
	// unless they were.
	RejectedAt *Time         `json:"rejected_at,omitempty"`
	Errors     []ConfigError `json:"errors,omitempty"`
	// Resources are what the files have, and what they have no longer but
	// still holds.
	Resources []ConfigResource `json:"resources"`
}

// ConfigError is one thing that is wrong with a file.
type ConfigError struct {
	// File is the file; Line and Column count from 1 and are absent when all
	// of it is meant.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Field is the path of the field; absent when it is about none.
	Field string `json:"field,omitempty"`
	// Error is what is wrong with what is there, and Hint what to do.
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// ConfigResource is what became of one resource.
type ConfigResource struct {
	// Kind and Name say which it is.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State is "applied", "pending-restart" or "error"; absent where nothing
	// runs that it could be applied to.
	State string `json:"state,omitempty"`
	// Message says more; absent when there is nothing to say.
	Message string `json:"message,omitempty"`
}

// InForce reports whether what the files say is in force, but for what waits
// for a restart.
func (c *Config) InForce() bool {
	if c.State != "ok" {
		return false
	}
	for _, r := range c.Resources {
		if r.State == "error" {
			return false
		}
	}
	return true
}
