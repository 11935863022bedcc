package symbol

import (
	"fmt"
	"slices"

	"golang.org/x/mod/semver"
)

// none is the offset of a field that does not exist.
const none = -1

// knownModule is the range of versions that a module was measured in. They are
// semantic versions, v1.20.0 for Go 1.20.
type knownModule struct{ path, oldest, newest string }

// knownStruct is a struct of a module. experiment is empty, or what programs
// built with it must name in their version.
type knownStruct struct {
	module, experiment, name string
	fields                   []knownField
}

// knownField is where a field is in every known version, oldest first.
type knownField struct {
	name  string
	spans []span
}

// span is a range of versions, both included, in which a field has one offset.
// An empty end is that of the known versions.
type span struct {
	from, to string
	offset   int
}

// tableField looks a field up. certain says that the version in the program was
// measured, or is between two that agree, or that it has no such module.
func tableField(key fieldKey, info *buildInfo) (answer fieldAnswer, certain bool) {
	s, f := lookUp(key, parseRelease(info.version).experiments)
	if f == nil {
		return fieldAnswer{err: ErrUnknownStruct}, false
	}
	modules := knownModules()
	m := modules[slices.IndexFunc(modules, func(m knownModule) bool { return m.path == s.module })]
	version, exact, err := info.versionOf(m)
	if err != nil {
		return fieldAnswer{err: err}, true
	}
	if semver.Compare(version, m.oldest) < 0 {
		return fieldAnswer{err: fmt.Errorf("%w: %s %s is older than %s", ErrUnknownModule, m.path, version, m.oldest)}, false
	}
	offset, known := f.at(version, m)
	certain = exact && known
	switch {
	case offset == none:
		return fieldAnswer{err: ErrNoField}, certain
	case certain:
		return fieldAnswer{field: Field{Offset: uint64(offset), Source: FromTable}}, true
	default:
		return fieldAnswer{field: Field{Offset: uint64(offset), Source: Assumed}}, false
	}
}

// versionOf returns the version of a module in a program. exact says that its
// sources are those which the table knows under that version.
func (info *buildInfo) versionOf(m knownModule) (version string, exact bool, err error) {
	if m.path == "" {
		r := parseRelease(info.version)
		if r.minor == 0 {
			return m.newest, false, nil
		}
		return r.semver(), r.exact, nil
	}
	dep, ok := info.module(m.path)
	switch {
	case ok && semver.IsValid(dep.version):
		return dep.version, dep.original && knownRelease(info.version), nil
	case ok || info.record == "": // built from a folder, or by a tool that records no modules
		return m.newest, false, nil
	default:
		return "", false, fmt.Errorf("%w: %s is not in the program", ErrUnknownModule, m.path)
	}
}

// knownRelease reports whether modules were measured with the release of Go that
// a version names: they hold structs of the standard library by value. Patch
// releases leave the size of exported structs alone.
func knownRelease(version string) bool {
	minor := parseRelease(version).minor
	return slices.ContainsFunc(releases(), func(r release) bool { return r.minor == minor })
}

// at returns the offset in a version that is not older than all known ones.
// known is false when no measured version says so: past the newest, and
// between two that differ, where the older one counts.
func (f *knownField) at(version string, m knownModule) (offset int, known bool) {
	offset = none
	for _, s := range f.spans {
		if s.from != "" && semver.Compare(version, s.from) < 0 {
			return offset, false
		}
		if s.to == "" {
			s.to = m.newest
		}
		if offset = s.offset; semver.Compare(version, s.to) <= 0 {
			return offset, true
		}
	}
	return offset, false
}

// lookUp returns the struct and the field of a key, as programs with the given
// experiments have them; nil when the table has no such field.
func lookUp(key fieldKey, experiments []string) (found knownStruct, field *knownField) {
	for _, s := range knownStructs() {
		if s.name != key.of || s.experiment != "" && !slices.Contains(experiments, s.experiment) {
			continue
		}
		for i := range s.fields {
			if s.fields[i].name == key.field && (field == nil || s.experiment != "") {
				found, field = s, &s.fields[i]
			}
		}
	}
	return found, field
}

// inTable reports whether the table has a field.
func inTable(key fieldKey) bool {
	_, f := lookUp(key, nil)
	return f != nil
}

// tableKeys returns all fields of the table.
func tableKeys() []fieldKey {
	var keys []fieldKey
	for _, s := range knownStructs() {
		if s.experiment != "" {
			continue
		}
		for _, f := range s.fields {
			keys = append(keys, fieldKey{s.name, f.name})
		}
	}
	return keys
}
