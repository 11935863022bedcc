package symbol

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

const (
	// rangeLoop is how the compiler names the body of a loop over a function,
	// behind the name of the function that has the loop; a number follows.
	rangeLoop = "-range"
	// maxLoops bounds how many functions with such loops are known.
	maxLoops = 1 << 16
	// noName is what the compiler puts before the position of a result without a
	// name.
	noName = "~r"
)

// results returns the results of a function among what is described, false when
// some may be missing.
//
// Until Go 1.26 the compiler describes each result twice that has a place on
// the stack, as it needs one in a function with defer.
//
// A return from within a loop over a function becomes an assignment to the
// results in the body, a function of its own. For that the compiler gives them
// names, if they have none, and leaves out of the DWARF what it named so. One
// that it did not name is proof that it named none. A loop that is never entered
// may leave no trace of its body: its function then seems to have no results.
func (s *Signatures) results(function string, described []description) ([]description, bool) {
	var list []description
	unnamed := false
	for i := range described {
		d := &described[i]
		if !d.result || d.name != "" && slices.ContainsFunc(list, func(r description) bool { return r.name == d.name }) {
			continue
		}
		if number, ok := strings.CutPrefix(d.name, noName); ok {
			if number != strconv.Itoa(len(list)) {
				return nil, false
			}
			unnamed = true
		}
		list = append(list, *d)
	}
	return list, unnamed || !s.loops[function] && !isRangeLoop(function)
}

// isRangeLoop reports whether a name is that of a loop's body.
func isRangeLoop(name string) bool {
	_, ok := cutRangeLoop([]byte(name))
	return ok
}

// cutRangeLoop returns the name of the function that has a loop of the body with
// the given name, false when it is that of another function.
func cutRangeLoop(name []byte) ([]byte, bool) {
	number := bytes.TrimRight(name, "0123456789")
	of, ok := bytes.CutSuffix(number, []byte(rangeLoop))
	return of, ok && len(number) < len(name)
}

// rangeLoops returns the names of the functions that have a loop over a function.
// Names of functions that are inlined everywhere are in the table, too.
func (t *table) rangeLoops() map[string]bool {
	loops := map[string]bool{}
	for at := 0; len(loops) < maxLoops; {
		i := bytes.Index(t.names[at:], []byte(rangeLoop))
		if i < 0 {
			break
		}
		at += i
		rest := t.names[at:min(at+len(rangeLoop)+8, len(t.names))]
		if end := bytes.IndexByte(rest, 0); end >= 0 {
			begin := max(at-maxName, 0)
			begin += bytes.LastIndexByte(t.names[begin:at], 0) + 1
			if of, ok := cutRangeLoop(t.names[begin : at+end]); ok && len(of) == at-begin {
				loops[string(of)] = true
			}
		}
		at += len(rangeLoop)
	}
	return loops
}
