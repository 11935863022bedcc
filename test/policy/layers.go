package policy

import (
	"path"
	"slices"
	"strings"
)

// layer is a row of the arrows, highest first; a unit is a folder with all
// below it.
func layers() [][]string {
	return [][]string{
		{"cmd"},
		{"internal/cli"},
		{"internal/agent", "internal/hub"},
		{"internal/api", "internal/ui", "internal/export", "internal/store", "internal/pipeline", "internal/config"},
		{wireTypes},
		rooms(),
		{"internal/model", "internal/platform"},
		public(),
	}
}

func rooms() []string {
	return []string{"internal/observe", "internal/judge", "internal/prove", "internal/change"}
}

func public() []string { return []string{"osexec", "sli", "slotest", "upgrade"} }

// outside are folders that may import anything and that nothing imports.
func outside() []string { return []string{"test", "tools", "examples"} }

const (
	testutil  = "internal/testutil"
	modelDir  = "internal/model"
	probesDir = "internal/observe/probes"
	apiDir    = "internal/api"
)

// wireTypes are below what stands beside api, so that the UI and every --json
// can use them.
const wireTypes = apiDir + "/v1"

// demo is the one example that the product runs: `goshawk up --demo` is the
// shop and its load.
const (
	demo     = "examples/shop/shop"
	demoUser = "internal/cli"
)

// unitOf returns the folder of units that dir is below, "" for none.
func unitOf(dir string, units []string) string {
	if i := slices.IndexFunc(units, func(u string) bool { return below(dir, u) }); i >= 0 {
		return units[i]
	}
	return ""
}

// placeOf returns the unit of dir and its layer, 0 highest, -1 for none. A unit
// may be inside of another; the inner one counts.
func placeOf(dir string) (unit string, level int) {
	level = -1
	for l, units := range layers() {
		if u := unitOf(dir, units); len(u) > len(unit) {
			unit, level = u, l
		}
	}
	return unit, level
}

func checkArrows(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		unit, level := placeOf(p.Dir)
		if level < 0 && p.Dir != testutil && unitOf(p.Dir, outside()) == "" {
			found = append(found, Finding{Path: p.Dir, Text: "is in no layer: give it a place in ARCHITECTURE.md and in test/policy/layers.go"})
			continue
		}
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				if i.dir == "" || i.dir == p.Dir {
					continue
				}
				if text := badArrow(f, p.Dir, unit, level, i.dir); text != "" {
					found = append(found, t.at(i.pos, "%s", text))
				}
			}
		}
	}
	return found
}

// badArrow says what is wrong with importing the folder to, "" when nothing.
func badArrow(f *GoFile, from, unit string, level int, to string) string {
	if to == testutil {
		if f.Test || below(from, "test") {
			return ""
		}
		return "imports " + testutil + ", which is for tests only"
	}
	if from == demoUser && to == demo {
		return ""
	}
	if outsider := unitOf(to, outside()); outsider != "" && !below(from, outsider) {
		return "imports " + to + ": nothing may import what is in " + outsider + "/"
	}
	if unitOf(from, outside()) != "" {
		return ""
	}
	toUnit, toLevel := placeOf(to)
	switch {
	case from == testutil:
		return "testutil imports " + to + ": it imports no other package of Goshawk, so that all tests can use it"
	case toUnit == unit || toLevel > level:
		return ""
	case toLevel < level:
		return unit + " imports " + to + ", which is above it"
	case unit == "slotest" && toUnit == "sli":
		return ""
	case unitOf(from, rooms()) != "":
		return "" // rule 1 says it better
	}
	return unit + " imports " + to + ", which stands beside it: declare the small interface it needs, and let agent wire them"
}

func checkRooms(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		room := unitOf(p.Dir, rooms())
		if room == "" {
			continue
		}
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				if other := unitOf(i.dir, rooms()); other != "" && other != room {
					found = append(found, t.at(i.pos, "room %s imports room %s (%s)", path.Base(room), path.Base(other), i.dir))
				}
			}
		}
	}
	return found
}

func checkModel(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if !below(p.Dir, modelDir) {
			continue
		}
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				if !f.Test && !standard(i.path) && i.dir != "sli" && !below(i.dir, modelDir) {
					found = append(found, t.at(i.pos, "model imports %s", i.path))
				}
			}
		}
	}
	return found
}

func checkProbes(t *Tree) []Finding {
	const registry = probesDir + "/registry.go"
	var found []Finding
	listed := map[string]bool{}
	for _, p := range t.Packages {
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				rest, isProbe := strings.CutPrefix(i.dir, probesDir+"/")
				name, _, _ := strings.Cut(rest, "/")
				switch {
				case !isProbe || below(p.Dir, probesDir+"/"+name):
				case f.Path == registry:
					listed[name] = true
				default:
					found = append(found, t.at(i.pos, "imports the probe %s: only %s may", name, registry))
				}
			}
		}
	}
	reported := map[string]bool{}
	for _, p := range t.Packages {
		rest, isProbe := strings.CutPrefix(p.Dir, probesDir+"/")
		name, _, _ := strings.Cut(rest, "/")
		if isProbe && !listed[name] && !reported[name] {
			reported[name] = true
			found = append(found, Finding{Path: probesDir + "/" + name, Text: "is not listed in " + registry})
		}
	}
	return found
}

func checkEBPF(t *Tree) []Finding {
	var found []Finding
	places := []string{"internal/observe", "internal/platform", "internal/prove/fuzz"}
	for _, p := range t.Packages {
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				if below(i.path, "github.com/cilium/ebpf") && unitOf(p.Dir, places) == "" {
					found = append(found, t.at(i.pos, "imports %s in %s", i.path, p.Dir))
				}
			}
		}
	}
	return found
}

// checkPublic lets tests import what they like of other modules, and an
// adapter (a package below a public one) what it adapts to.
func checkPublic(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		unit := unitOf(p.Dir, public())
		if unit == "" {
			continue
		}
		for _, f := range p.Files {
			for _, i := range t.imports(f) {
				inside := i.dir != "" && unitOf(i.dir, public()) != ""
				fine := standard(i.path) || below(i.path, "golang.org/x/sys") || inside ||
					i.dir == "" && (f.Test || p.Dir != unit) || f.Test && i.dir == testutil
				if !fine {
					found = append(found, t.at(i.pos, "public package %s imports %s", p.Dir, i.path))
				}
			}
		}
	}
	return found
}
