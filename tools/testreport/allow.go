package main

import (
	"fmt"
	"path"
	"strings"
)

// allowance is one line of the list of allowed skips.
type allowance struct {
	pkg    string // glob over the package's path below the module
	test   string // glob per element of the test's name
	reason string
}

// parseAllowed reads lines of a package, a test and a reason, separated by
// white space; empty lines and lines that start with # are left out.
func parseAllowed(text string) ([]allowance, error) {
	var list []allowance
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 {
			return nil, fmt.Errorf("line %d: %q: want a package, a test and a reason", i+1, line)
		}
		for _, pattern := range words[:2] {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, fmt.Errorf("line %d: %q: %w", i+1, pattern, err)
			}
		}
		list = append(list, allowance{words[0], words[1], strings.Join(words[2:], " ")})
	}
	return list, nil
}

// covers reports whether a allows test of pkg, or a test above it, to skip.
func (a allowance) covers(pkg, test string) bool {
	return matchEnd(a.pkg, pkg) && matchStart(a.test, test)
}

// matchEnd matches the last elements of name, so that a pattern need not spell
// the module's path.
func matchEnd(pattern, name string) bool {
	patterns, names := strings.Split(pattern, "/"), strings.Split(name, "/")
	if len(patterns) > len(names) {
		return false
	}
	return matchElements(patterns, names[len(names)-len(patterns):])
}

// matchStart matches the first elements of name: a test covers its subtests.
func matchStart(pattern, name string) bool {
	patterns, names := strings.Split(pattern, "/"), strings.Split(name, "/")
	if len(patterns) > len(names) {
		return false
	}
	return matchElements(patterns, names[:len(patterns)])
}

func matchElements(patterns, names []string) bool {
	for i, pattern := range patterns {
		if ok, err := path.Match(pattern, names[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
