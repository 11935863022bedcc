package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// toolchainModule is the module that toolchains are published as.
const toolchainModule = "golang.org/toolchain"

// pins are the versions that the table is made from.
type pins struct {
	toolchains []string // "go1.20", oldest first
	modules    []pinned
}

// pinned are the versions of one module, oldest first.
type pinned struct {
	path     string
	versions []string
}

// paths returns the paths of the modules.
func (p pins) paths() []string {
	var list []string
	for _, m := range p.modules {
		list = append(list, m.path)
	}
	return list
}

// all returns the standard library, which has no path, and the modules.
func (p pins) all() []pinned {
	std := pinned{}
	for _, name := range p.toolchains {
		std.versions = append(std.versions, semverOf(name))
	}
	return append([]pinned{std}, p.modules...)
}

// versions returns the versions of one module, or of the standard library.
func (p pins) versions(path string) []string {
	for _, m := range p.all() {
		if m.path == path {
			return m.versions
		}
	}
	return nil
}

const pinsHeader = `# The versions that the table of fields is made from. A line without a leading
# space names a module, the lines below it are its versions, oldest first.
# To bring it up to date: go run ./genoffsets -update in internal/observe/symbol
`

// parsePins reads what format wrote.
func parsePins(text string) (pins, error) {
	var p pins
	at := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case !strings.HasPrefix(line, " "):
			if len(words) != 1 {
				return p, fmt.Errorf("%q: want the path of a module", line)
			}
			if at = words[0]; at != toolchainModule {
				p.modules = append(p.modules, pinned{path: at})
			}
		case at == "":
			return p, fmt.Errorf("%q: versions of no module", line)
		case at == toolchainModule:
			p.toolchains = append(p.toolchains, words...)
		default:
			m := &p.modules[len(p.modules)-1]
			m.versions = append(m.versions, words...)
		}
	}
	if len(p.toolchains) == 0 {
		return p, fmt.Errorf("no toolchains")
	}
	for _, m := range p.modules {
		if len(m.versions) == 0 {
			return p, fmt.Errorf("%s has no versions", m.path)
		}
	}
	return p, nil
}

// format writes the pins for parsePins.
func (p pins) format() []byte {
	var b bytes.Buffer
	b.WriteString(pinsHeader)
	write := func(path string, versions []string) {
		fmt.Fprintf(&b, "\n%s\n", path)
		for line := range slices.Chunk(versions, 10) {
			fmt.Fprintf(&b, "  %s\n", strings.Join(line, " "))
		}
	}
	write(toolchainModule, p.toolchains)
	for _, m := range p.modules {
		write(m.path, m.versions)
	}
	return b.Bytes()
}

// minorOf returns N of "go1.N" or "go1.N.P".
func minorOf(name string) (int, error) {
	rest, ok := strings.CutPrefix(name, "go1.")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if !ok || err != nil {
		return 0, fmt.Errorf("%s: not the name of a toolchain", name)
	}
	return n, nil
}
