package symbol

import (
	"bytes"
	"encoding/binary"
	"strings"
)

const (
	buildInfoMagic  = "\xff Go buildinf:"
	buildInfoHeader = 32
	buildInfoAlign  = 16
	modInfoFrame    = 16 // bytes of a marker before and after the module information
	goNoteBuildID   = 4
	maxModulePaths  = 1024
	maxRecord       = 1 << 20 // bytes of module information that are kept
)

// buildInfo is what the toolchain recorded of the build.
type buildInfo struct {
	version string
	// modules are the paths of modules and of the main package whose first
	// element has no dot, and which therefore look like the standard library.
	modules []string
	// record is what was recorded of modules, one per line, empty when the
	// build tool does not do so.
	record string
}

// dependency is a module of a program.
type dependency struct {
	version string
	// original says that the sources are those of this version under the
	// module's own path.
	original bool
}

// readBuildInfo returns the zero value when the file has none.
func readBuildInfo(img *image) buildInfo {
	var data []byte
	if s := img.section(".go.buildinfo"); s != nil {
		data = s.data
	} else if len(img.sections) == 0 {
		for s := range img.loads(flagWrite) {
			if data = searchBuildInfo(s.data); data != nil {
				break
			}
		}
	}
	// Bit 1 of the flags: the texts follow the header, since Go 1.18.
	if len(data) < buildInfoHeader || !bytes.HasPrefix(data, []byte(buildInfoMagic)) || data[15]&2 == 0 {
		return buildInfo{}
	}
	version, rest := lengthPrefixed(data[buildInfoHeader:])
	modules, _ := lengthPrefixed(rest)
	info := buildInfo{version: string(version[:min(len(version), maxName)]), modules: dotlessModules(modules)}
	if len(modules) > 2*modInfoFrame {
		record := modules[modInfoFrame : len(modules)-modInfoFrame]
		info.record = string(record[:min(len(record), maxRecord)])
	}
	return info
}

func searchBuildInfo(data []byte) []byte {
	for off := 0; ; off++ {
		i := bytes.Index(data[off:], []byte(buildInfoMagic))
		if i < 0 {
			return nil
		}
		if off += i; off%buildInfoAlign == 0 {
			return data[off:]
		}
	}
}

func lengthPrefixed(data []byte) (text, rest []byte) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)-n) {
		return nil, nil
	}
	return data[n : uint64(n)+size], data[uint64(n)+size:]
}

// dotlessModules picks from the module information of a program the paths that
// look like the standard library.
func dotlessModules(info []byte) []string {
	if len(info) < 2*modInfoFrame {
		return nil
	}
	var found []string
	for line := range bytes.Lines(info[modInfoFrame : len(info)-modInfoFrame]) {
		kind, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		switch string(kind) {
		case "path", "mod", "dep":
		default:
			continue
		}
		path, _, _ := bytes.Cut(rest, []byte("\t"))
		first, _, _ := bytes.Cut(path, []byte("/"))
		if len(found) < maxModulePaths && len(path) > 0 && len(path) <= maxName && !bytes.ContainsRune(first, '.') {
			found = append(found, string(path))
		}
	}
	return found
}

// module returns the module of a path, false when the program has none.
func (info *buildInfo) module(path string) (dependency, bool) {
	var found dependency
	ok := false
	for line := range strings.Lines(info.record) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for len(words) < 3 {
			words = append(words, "")
		}
		switch kind := words[0]; {
		case ok && kind == "=>" && words[2] != "":
			return dependency{version: words[2], original: words[1] == path}, true
		case ok && kind == "=>": // a folder
			return dependency{version: found.version}, true
		case ok:
			return found, true
		case (kind == "mod" || kind == "dep") && words[1] == path:
			found, ok = dependency{version: words[2], original: true}, true
		}
	}
	return found, ok
}
