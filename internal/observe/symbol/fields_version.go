package symbol

import (
	"fmt"
	"strconv"
	"strings"
)

// goRelease is what the version of a toolchain says.
type goRelease struct {
	minor, patch int // N and P of go1.N.P; minor is 0 when it does not say
	// exact says that the release is that one, perhaps with changes of a
	// distributor. What leads up to a release is not.
	exact       bool
	experiments []string // that differ from the defaults: "noswissmap"
}

// parseRelease reads versions such as "go1.26.8", "go1.26.9-foo X:arenas",
// "go1.26rc1" and "devel go1.27-3ae6ee1 Mon Jan 2".
func parseRelease(version string) goRelease {
	var r goRelease
	version, experiments, _ := strings.Cut(version, " X:")
	if experiments, _, _ = strings.Cut(experiments, " "); experiments != "" {
		r.experiments = strings.Split(experiments, ",")
	}
	before, rest, ok := strings.Cut(version, "go1.")
	if !ok {
		return r
	}
	if r.minor, rest, ok = leadingNumber(rest); !ok {
		return goRelease{experiments: r.experiments}
	}
	if after, isPatch := strings.CutPrefix(rest, "."); isPatch {
		if r.patch, rest, ok = leadingNumber(after); !ok {
			return r
		}
	}
	r.exact = before == "" && (rest == "" || rest[0] == '-' || rest[0] == ' ' || rest[0] == '+')
	return r
}

// leadingNumber cuts a number of at most five digits off a text.
func leadingNumber(text string) (n int, rest string, ok bool) {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	if end == 0 || end > 5 {
		return 0, text, false
	}
	n, err := strconv.Atoi(text[:end])
	return n, text[end:], err == nil
}

// semver spells the release as a semantic version.
func (r goRelease) semver() string { return fmt.Sprintf("v1.%d.%d", r.minor, r.patch) }
