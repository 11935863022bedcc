package main

import (
	"fmt"
	"strings"
)

// wanted is a struct and the fields that the table is to tell of it.
type wanted struct {
	module     string // empty for the standard library
	pkg, name  string
	fields     []string
	experiment string // "noswissmap": measured with swissmap switched off
}

// of returns the name of the struct as programs spell it.
func (w wanted) of() string { return w.pkg + "." + w.name }

// parseWanted reads the list of fields. modules are the paths of the modules
// whose versions are known.
func parseWanted(text string, modules []string) ([]wanted, error) {
	var list []wanted
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var w wanted
		if experiment, ok := strings.CutSuffix(words[0], ":"); ok {
			w.experiment, words = experiment, words[1:]
			if !strings.HasPrefix(experiment, "no") {
				return nil, fmt.Errorf("%s: an experiment to switch off starts with no", experiment)
			}
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("%q: want a struct and its fields", strings.TrimSpace(line))
		}
		dot := strings.LastIndexByte(words[0], '.')
		if dot <= 0 {
			return nil, fmt.Errorf("%s: not a package and a struct", words[0])
		}
		w.pkg, w.name, w.fields = words[0][:dot], words[0][dot+1:], words[1:]
		if !isStd(w.pkg) {
			if w.module = moduleOf(w.pkg, modules); w.module == "" {
				return nil, fmt.Errorf("%s: no module of that name has known versions", w.pkg)
			}
		}
		if key := w.experiment + ":" + w.of(); seen[key] {
			return nil, fmt.Errorf("%s: named twice", w.of())
		} else {
			seen[key] = true
		}
		list = append(list, w)
	}
	return list, nil
}

// isStd reports whether an import path is one of the standard library.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// moduleOf returns the module that a package belongs to: the longest path of
// modules that leads to it, empty when there is none.
func moduleOf(pkg string, modules []string) string {
	var found string
	for _, m := range modules {
		rest, ok := strings.CutPrefix(pkg, m)
		if ok && (rest == "" || rest[0] == '/') && len(m) > len(found) {
			found = m
		}
	}
	return found
}
