package symbol

import (
	"bytes"
	"fmt"
	"strings"
)

// Match returns the functions whose name a pattern describes, in order of
// address. In a pattern * stands for any text, slashes and dots included, and ?
// for any one byte: "main.*", "*.ServeHTTP". The * of a receiver, right after a
// parenthesis, stands for itself, so that names need no quoting
// ("net/http.(*conn).*"); "(*)" stands for any receiver that is a pointer, and
// "[...]" for any type arguments. Everything else stands for itself, and the
// whole name is described.
//
// The functions of wrappers are among them. The error says what is wrong with
// the pattern: it is empty or longer than 4 KiB.
func (b *Binary) Match(pattern string) ([]Function, error) {
	if pattern == "" || len(pattern) > maxName {
		return nil, fmt.Errorf("pattern of %d bytes: want 1 to %d", len(pattern), maxName)
	}
	pattern = expand(pattern)
	var found []Function
	shielded(func() {
		for i := range b.table.nfunc {
			f, ok := b.table.function(i)
			if !ok {
				continue
			}
			if name, ok := cstring(b.table.names, uint64(f.name())); ok && matches(pattern, name) {
				found = append(found, b.table.exported(&f))
			}
		}
	})
	b.forget()
	return found, nil
}

// MatchName reports whether a pattern describes a name; see [Binary.Match].
func MatchName(pattern, name string) bool { return matches(expand(pattern), []byte(name)) }

// expand writes the abbreviations in a pattern out.
func expand(pattern string) string {
	if !strings.ContainsAny(pattern, "[(") {
		return pattern
	}
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "[...]", "[*]"), "(*)", "(**)")
}

// matches compares byte by byte and returns to the last * when that fails.
func matches(pattern string, name []byte) bool {
	p, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*' && (p == 0 || pattern[p-1] != '('):
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// maxNear bounds the names that are compared with a misspelt one.
const maxNear = 512

// Nearest returns the names of at most n functions that name may have been
// meant to be, best first, spelt as the linker does: those that differ in case,
// in how the receiver is written or in the path of the package, those that end
// like it, and those with few other letters. Functions that are only there
// inlined are among them.
//
// It reads all names: about 0.1 s for a file of 150 MB.
func (b *Binary) Nearest(name string, n int) []string {
	if name == "" || len(name) > maxNear || n <= 0 {
		return nil
	}
	near := newNearest(name, n)
	shielded(func() {
		for at := 0; at < len(b.table.names); {
			end := bytes.IndexByte(b.table.names[at:], 0)
			if end < 0 {
				break
			}
			if end > 0 && end <= maxNear {
				near.offer(b.table.names[at : at+end])
			}
			at += end + 1
		}
	})
	b.forget()
	return near.names
}

// nearest keeps the names that are most like one.
type nearest struct {
	want   spelling
	scores []int // of names, ascending
	names  []string
	n      int

	cand     spelling // of the name that is looked at
	row, old []int    // of the table of distances
}

func newNearest(name string, n int) *nearest {
	near := &nearest{n: n}
	near.want.set([]byte(name))
	return near
}

// spelling is a name in small letters and without the brackets of receivers and
// type arguments: "net/http.conn.serve".
type spelling struct {
	full  []byte
	short int // where the package's last element starts
}

func (s *spelling) set(name []byte) {
	s.full, s.short = s.full[:0], 0
	depth := 0
	for _, c := range name {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth > 0 || c == '(' || c == ')' || c == '*':
		case c >= 'A' && c <= 'Z':
			s.full = append(s.full, c+'a'-'A')
		default:
			s.full = append(s.full, c)
			if c == '/' {
				s.short = len(s.full)
			}
		}
	}
}

// base returns the name from its package's last element on.
func (s *spelling) base() []byte { return s.full[s.short:] }

// inner returns the name without its package.
func (s *spelling) inner() []byte {
	base := s.base()
	if i := bytes.IndexByte(base, '.'); i >= 0 {
		return base[i+1:]
	}
	return base
}

// offer keeps a name when it is among the best.
func (near *nearest) offer(name []byte) {
	near.cand.set(name)
	score, ok := near.score()
	if !ok {
		return
	}
	at := len(near.scores)
	for at > 0 && (near.scores[at-1] > score || near.scores[at-1] == score && len(near.names[at-1]) > len(name)) {
		at--
	}
	if at >= near.n {
		return
	}
	if at > 0 && near.names[at-1] == string(name) {
		return
	}
	near.scores = append(near.scores, 0)
	near.names = append(near.names, "")
	copy(near.scores[at+1:], near.scores[at:])
	copy(near.names[at+1:], near.names[at:])
	near.scores[at], near.names[at] = score, string(name)
	if len(near.names) > near.n {
		near.scores, near.names = near.scores[:near.n], near.names[:near.n]
	}
}

// Scores of likeness. Each letter that differs adds scoreLetter.
const (
	scoreSame   = 0  // but for case and receiver
	scorePath   = 5  // in another folder
	scoreEnd    = 10 // the one ends in the other
	scoreInner  = 15 // in another package
	scoreLetter = 12
)

// score says how much the candidate differs, and false when it does too much.
func (near *nearest) score() (int, bool) {
	w, c := &near.want, &near.cand
	switch {
	case bytes.Equal(w.full, c.full):
		return scoreSame, true
	case bytes.Equal(w.base(), c.base()):
		return scorePath, true
	case endsIn(c.full, w.full):
		return scoreEnd, true
	case bytes.Equal(w.inner(), c.inner()):
		return scoreInner, true
	}
	// Letters are compared within the package's last element and the name.
	a, b := w.base(), c.base()
	limit := min(len(a)/4+1, 6)
	// Every function starts alike in its package: at least some of the rest
	// must agree.
	limit = min(limit, len(w.inner())/2)
	d, ok := near.distance(a, b, limit)
	if !ok {
		return 0, false
	}
	score := scoreLetter * d
	if !bytes.Equal(w.full[:w.short], c.full[:c.short]) {
		score += scorePath
	}
	return score, true
}

// endsIn reports whether name ends in end, which starts a word there.
func endsIn(name, end []byte) bool {
	rest, ok := bytes.CutSuffix(name, end)
	return ok && len(rest) > 0 && (rest[len(rest)-1] == '.' || rest[len(rest)-1] == '/')
}

// distance returns how many letters have to be put in, taken out or changed to
// make b of a, false when more than limit.
func (near *nearest) distance(a, b []byte, limit int) (int, bool) {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return 0, false
	}
	if cap(near.row) <= len(b) {
		near.row, near.old = make([]int, 2*len(b)+1), make([]int, 2*len(b)+1)
	}
	row, old := near.row[:len(b)+1], near.old[:len(b)+1]
	for j := range old {
		old[j] = j
	}
	for i := range a {
		row[0] = i + 1
		best := row[0]
		for j := range b {
			d := old[j]
			if a[i] != b[j] {
				d = min(d, old[j+1], row[j]) + 1
			}
			row[j+1] = d
			best = min(best, d)
		}
		if best > limit {
			return 0, false
		}
		row, old = old, row
	}
	return old[len(b)], old[len(b)] <= limit
}
