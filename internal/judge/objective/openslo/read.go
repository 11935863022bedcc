package openslo

import (
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // an image of one file has no zones of its own

	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Version is the apiVersion of the documents that a Reader reads.
const Version = "openslo/v1"

// Format is what an objective's origin says.
const Format = "OpenSLO"

// The kinds of documents.
const (
	kindService   = "Service"
	kindSLO       = "SLO"
	kindSLI       = "SLI"
	kindPolicy    = "AlertPolicy"
	kindCondition = "AlertCondition"
	kindTarget    = "AlertNotificationTarget"
	kindSource    = "DataSource"
)

// Reader collects documents. The zero value is ready; it is for one goroutine.
type Reader struct {
	// Zone returns a time zone by its name; nil means [time.LoadLocation].
	Zone func(name string) (*time.Location, error)

	zones    map[string]*time.Location
	places   map[string]map[string]yamldoc.Value // by kind and name
	slos     []object
	slis     map[string]*indicator
	policies map[string]*policy
	triggers map[string]*condition
	sources  map[string]*dataSource
	// suggested is how many names were looked for that are like a wrong one.
	suggested int
}

// object is a document, or what is written in place of a reference to one.
type object struct {
	whole yamldoc.Value
	meta  metadata
	spec  yamldoc.Value
}

// metadata is what all objects have.
type metadata struct {
	name        string
	at          yamldoc.Value // of the name
	title       string
	labels      map[string]string
	annotations map[string]string
	// ours are the annotations of Goshawk's, without their prefix.
	ours map[string]yamldoc.Value
}

// prefix begins the annotations that are Goshawk's.
const prefix = "goshawk.io/"

// Document takes a document of [Version].
func (r *Reader) Document(v yamldoc.Value) {
	kinds := []string{kindSLO, kindSLI, kindService, kindPolicy, kindCondition, kindTarget, kindSource}
	hint := "the kinds are: " + strings.Join(kinds, ", ")
	at, ok := v.Child("kind")
	kind := ""
	switch {
	case !ok:
		v.Missing("kind", hint)
		return
	case !at.Text(&kind, draft.MaxName):
		return
	case !slices.Contains(kinds, kind):
		if near := yamldoc.Nearest(kind, kinds); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		at.Fail(hint, "there is no such kind in %s", Version)
		return
	}
	o := readObject(v, kind, true)
	if o.meta.name != "" && !r.define(kind, o.meta) {
		return
	}
	r.take(kind, o)
}

// define says that an object of that name is there, and reports whether it is the
// first.
func (r *Reader) define(kind string, m metadata) bool {
	if r.places == nil {
		r.places = make(map[string]map[string]yamldoc.Value)
	}
	if r.places[kind] == nil {
		r.places[kind] = make(map[string]yamldoc.Value)
	}
	if before, twice := r.places[kind][m.name]; twice {
		m.at.Fail("give each "+kind+" a name of its own", "is defined already, at %s", before.Place())
		return false
	}
	r.places[kind][m.name] = m.at
	return true
}

// take reads what can be read before the references are followed.
func (r *Reader) take(kind string, o object) {
	if r.slis == nil {
		r.slis, r.policies = make(map[string]*indicator), make(map[string]*policy)
		r.triggers, r.sources = make(map[string]*condition), make(map[string]*dataSource)
	}
	name := o.meta.name
	switch kind {
	case kindSLO:
		r.slos = append(r.slos, o)
	case kindSLI:
		r.slis[name] = readIndicator(o)
	case kindPolicy:
		r.policies[name] = readPolicy(o)
	case kindCondition:
		r.triggers[name] = readCondition(o)
	case kindSource:
		r.sources[name] = readDataSource(o)
	case kindTarget:
		readTarget(o)
	case kindService:
		if !o.spec.IsZero() {
			o.spec.Object([]yamldoc.Field{description(new(string))})
		}
	}
}

// Finish follows the references and returns a draft of each objective, checked. It
// stops when there are more than [draft.MaxObjectives].
func (r *Reader) Finish() []*draft.Draft {
	var all []*draft.Draft
	for _, o := range r.slos {
		if len(all) > draft.MaxObjectives {
			break
		}
		all = append(all, r.slo(o)...)
	}
	return all
}

// known lists the names of what there is of a kind, for a hint.
func (r *Reader) known(kind string) []string { return slices.Sorted(maps.Keys(r.places[kind])) }

// dangling says that a reference leads nowhere.
func (r *Reader) dangling(ref yamldoc.Value, kind, name string) {
	ref.Fail(r.missing(kind, name), "there is no %s of that name", kind)
}

// missing is the hint for a name that nothing of a kind has.
func (r *Reader) missing(kind, name string) string {
	// With as many errors no more are shown, and there may be many names.
	if r.suggested++; r.suggested <= yamldoc.MaxErrors {
		if near := yamldoc.Nearest(name, r.known(kind)); near != "" {
			return "did you mean " + near + "?"
		}
	}
	return "write a document of the kind " + kind + ", and name its file as well"
}

// readObject reads the frame of a document, or of what is inlined: then the
// apiVersion and kind may be left out.
func readObject(v yamldoc.Value, kind string, document bool) object {
	o := object{whole: v}
	v.Object([]yamldoc.Field{
		{Name: "apiVersion", Raw: true},
		{Name: "kind", Raw: document, Kind: kind, Read: func(v yamldoc.Value) {
			written := ""
			if v.Text(&written, draft.MaxName) && written != kind {
				v.Fail("write "+kind, "is not the kind that belongs here")
			}
		}},
		{Name: "metadata", Required: document, Sample: "{name: NAME}", Read: func(v yamldoc.Value) { o.meta = readMetadata(v) }},
		{Name: "spec", Required: kind != kindService, Sample: "below it, what it is", Raw: true},
	})
	o.spec, _ = v.Child("spec")
	if o.spec.IsNull() {
		o.spec = yamldoc.Value{}
	}
	if o.meta.at.IsZero() {
		o.meta.at = v.Named()
	}
	return o
}

func readMetadata(v yamldoc.Value) metadata {
	m := metadata{}
	v.Object([]yamldoc.Field{
		{Name: "name", Kind: "a name", Required: true, Sample: "NAME", Read: func(v yamldoc.Value) {
			m.at = v
			v.Text(&m.name, draft.MaxName)
		}},
		{Name: "displayName", Nothing: true, Read: func(v yamldoc.Value) { v.Prose(&m.title, draft.MaxProse) }},
		{Name: "labels", Nothing: true, Read: func(v yamldoc.Value) { m.labels = draft.Labels(v) }},
		{Name: "annotations", Nothing: true, Read: func(v yamldoc.Value) { m.readAnnotations(v) }},
	})
	return m
}

// readAnnotations keeps those that are Goshawk's apart.
func (m *metadata) readAnnotations(v yamldoc.Value) {
	all := draft.Texts(v)
	v.Entries(func(name string, _, content yamldoc.Value) {
		_, read := all[name]
		switch short, ours := strings.CutPrefix(name, prefix); {
		case !read:
		case ours:
			if m.ours == nil {
				m.ours = make(map[string]yamldoc.Value)
			}
			m.ours[short] = content
		default:
			if m.annotations == nil {
				m.annotations = make(map[string]string)
			}
			m.annotations[name] = all[name]
		}
	})
}

// note is an annotation that Goshawk knows.
type note struct {
	name string
	read func(yamldoc.Value)
}

// read reads Goshawk's annotations of an object that has these.
func (m *metadata) read(notes []note) {
	for _, name := range slices.Sorted(maps.Keys(m.ours)) {
		i := slices.IndexFunc(notes, func(n note) bool { return n.name == name })
		if i >= 0 {
			notes[i].read(m.ours[name])
			continue
		}
		var names []string
		for _, n := range notes {
			names = append(names, prefix+n.name)
		}
		hint := "remove it: none of Goshawk's annotations go here"
		if len(names) > 0 {
			hint = "the annotations there are: " + strings.Join(names, ", ")
		}
		if near := yamldoc.Nearest(prefix+name, names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		m.ours[name].Named().Fail(hint, "there is no such annotation here")
	}
}

// description is the field that many objects have.
func description(to *string) yamldoc.Field {
	return yamldoc.Field{Name: "description", Nothing: true, Read: func(v yamldoc.Value) { v.Prose(to, draft.MaxProse) }}
}

func text(name string, to *string, required bool, sample string) yamldoc.Field {
	return yamldoc.Field{Name: name, Kind: "a text", Required: required, Sample: sample, Read: func(v yamldoc.Value) { v.Text(to, draft.MaxName) }}
}

// zone returns a time zone, nil when there is none of that name.
func (r *Reader) zone(name string) *time.Location {
	if known, ok := r.zones[name]; ok {
		return known
	}
	load := r.Zone
	if load == nil {
		load = time.LoadLocation
	}
	var zone *time.Location
	// The zone of this machine is another on the next one.
	if name != "" && name != "Local" && len(name) <= draft.MaxName {
		zone, _ = load(name)
	}
	if r.zones == nil {
		r.zones = make(map[string]*time.Location)
	}
	r.zones[name] = zone
	return zone
}
