package v1

// EndPoint is one address that the API answers.
type EndPoint struct {
	// Path is the path, with what varies in braces.
	Path string `json:"path"`
	// Summary is one sentence.
	Summary string `json:"summary"`
	// Parameters are the names of the query's parameters; absent when there
	// are none.
	Parameters []string `json:"parameters,omitempty"`
}
