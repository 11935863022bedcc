package keep

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

const (
	// maxGroups bounds the groups that are remembered; when there are more, the
	// half that was not seen for longest is forgotten.
	maxGroups = 4096
	// slowAfter is how many durations must be known before one can be slow, and
	// slowMemory how many a generation of them has.
	slowAfter  = 100
	slowMemory = 2000
	// slowEvery is how often the threshold is computed anew.
	slowEvery = 50
)

// Group is what some events have in common.
type Group struct {
	// Probe and Service are those of the events.
	Probe, Service string
	// Texts are those of the fields that Schema.Groups names; never nil.
	Texts []string
	// Schema is that of the first of the events.
	Schema *model.Schema

	seen uint64 // when it was last asked for
	slow slowness
}

// Groups finds the groups of events. The zero value has none.
type Groups struct {
	known map[string]*Group
	keyed map[*model.Schema][]int
	key   []byte
	now   uint64
}

// Of returns the group of e. Two events of one group have the same, unless so
// many others came between them that it was forgotten.
func (g *Groups) Of(e *model.Event) *Group {
	g.now++
	fields := g.fieldsOf(e.Schema)
	g.key = appendText(appendText(g.key[:0], e.Schema.Probe), e.Service)
	for _, i := range fields {
		from := len(g.key)
		g.key = append(g.key, 0, 0, 0, 0)
		if i >= 0 {
			g.key = query.AppendText(g.key, e.Schema.Fields[i].Kind, e.Values[i])
		}
		binary.BigEndian.PutUint32(g.key[from:], uint32(len(g.key)-from-4))
	}
	found := g.known[string(g.key)]
	if found == nil {
		found = g.add(e, len(fields))
	}
	found.seen = g.now
	return found
}

// fieldsOf returns the positions of the fields that make the schema's groups,
// -1 for one that it has not.
func (g *Groups) fieldsOf(s *model.Schema) []int {
	fields, ok := g.keyed[s]
	if !ok {
		if g.keyed == nil || len(g.keyed) > 1000 {
			g.keyed = make(map[*model.Schema][]int)
		}
		for _, key := range s.Groups {
			fields = append(fields, s.Index(key))
		}
		g.keyed[s] = fields
	}
	return fields
}

func (g *Groups) add(e *model.Event, texts int) *Group {
	if len(g.known) >= maxGroups {
		g.forget()
	}
	if g.known == nil {
		g.known = make(map[string]*Group)
	}
	key := string(g.key)
	group := &Group{Texts: make([]string, texts), Schema: e.Schema}
	rest := key
	group.Probe, rest = cutText(rest)
	group.Service, rest = cutText(rest)
	for i := range group.Texts {
		group.Texts[i], rest = cutText(rest)
	}
	g.known[key] = group
	return group
}

// forget drops the half of the groups that was not seen for longest.
func (g *Groups) forget() {
	times := make([]uint64, 0, len(g.known))
	for _, group := range g.known {
		times = append(times, group.seen)
	}
	slices.Sort(times)
	middle := times[len(times)/2]
	for key, group := range g.known {
		if group.seen < middle {
			delete(g.known, key)
		}
	}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func cutText(s string) (text, rest string) {
	n := 4 + int(binary.BigEndian.Uint32([]byte(s[:4])))
	return s[4:n], s[n:]
}

// slowness learns which durations are long for a group: from the last 2,000 to
// 4,000 of them, in two generations.
type slowness struct {
	young, old model.Distribution
	inYoung    int
	known      int // in both, no more counted than slowAfter needs
	threshold  time.Duration
}

// add says whether d, which was observed weight times, is longer than 99 of 100
// durations before it, and learns it. The distribution is right to within a bucket, an eighth at most; what is
// not longer by that is not called slow, or of events that take all the same
// half would be.
func (s *slowness) add(d time.Duration, weight uint64) bool {
	slow := s.known >= slowAfter && d > s.threshold
	s.young.AddN(d, weight)
	s.inYoung++
	s.known++
	if s.known == slowAfter || s.known > slowAfter && s.inYoung%slowEvery == 0 {
		both := model.Distribution{}
		both.Merge(&s.old)
		both.Merge(&s.young)
		p99 := both.Quantile(0.99)
		s.threshold = p99 + p99/8
	}
	if s.inYoung >= slowMemory {
		s.old, s.young, s.inYoung = s.young, model.Distribution{}, 0
	}
	return slow
}
