package slofile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/judge/objective/openslo"
	"github.com/goshawk-io/goshawk/internal/judge/objective/pyrra"
	"github.com/goshawk-io/goshawk/internal/judge/objective/sloth"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Options configures the reading. The zero value works.
type Options struct {
	// Window is the window of objectives whose format does not say one, Sloth's;
	// 0 means 30 days.
	Window time.Duration
	// Query says what is wrong with an expression of PromQL, in which {{.window}}
	// stands for a range; nil accepts all.
	Query func(expression string) error
	// Receivers are the names of those who can be told of alerts; nil means that it
	// is not known who there is.
	Receivers []string
	// Zone returns a time zone by its name; nil means [time.LoadLocation].
	Zone func(name string) (*time.Location, error)
}

// Set is what files say, complete and right.
type Set struct {
	// SLOs are in the order of the files.
	SLOs []objective.SLO
	// Files are those that were read.
	Files []string
}

// hints say what to do about files that cannot be read.
func hints() yamldoc.Hints {
	return yamldoc.Hints{
		NoFiles: "put a file into it, of OpenSLO v1, Sloth v1 or Pyrra", Crowded: "name a folder of its own for the objectives",
		Empty: "write an objective", Irregular: "write the objectives into a file, or give - for the standard input",
	}
}

// Load reads the files that paths name; of a folder, the *.yaml and *.yml files
// right in it. It blocks as long as the file system does. With an error, of type
// [yamldoc.Errors] and among the problems too, the set is nil; problems has the
// warnings as well.
func Load(paths []string, o Options) (set *Set, problems yamldoc.Errors) {
	return LoadWith(paths, nil, o)
}

// LoadWith is Load for what was read elsewhere as well, such as the standard
// input.
func LoadWith(paths []string, more []yamldoc.Source, o Options) (set *Set, problems yamldoc.Errors) {
	sources, errs := Read(paths)
	set, problems = Parse(append(sources, more...), o)
	if len(errs) > 0 {
		return nil, append(errs, problems...)
	}
	return set, problems
}

// Read reads the files that paths name, as Load does, for [Parse]. What could be read
// is returned beside the errors.
func Read(paths []string) ([]yamldoc.Source, yamldoc.Errors) { return yamldoc.Read(paths, hints()) }

// Parse reads what was read of files.
func Parse(sources []yamldoc.Source, o Options) (set *Set, problems yamldoc.Errors) {
	l := loader{options: o, slo: openslo.Reader{Zone: o.Zone}}
	set = &Set{}
	var readers []*yamldoc.Reader
	for _, s := range sources {
		r := yamldoc.NewReader(s.Name)
		readers = append(readers, r)
		set.Files = append(set.Files, s.Name)
		documents := 0
		r.Parse(s.Data, func(v yamldoc.Value) {
			documents++
			l.document(v)
		})
		if documents == 0 && len(r.Errors()) == 0 {
			r.Add(&yamldoc.Error{File: s.Name, Cause: "has no document", Hint: "write an objective, or remove the file"})
		}
	}
	l.drafts = append(l.drafts, l.slo.Finish()...)
	if len(l.drafts) > draft.MaxObjectives {
		l.drafts[draft.MaxObjectives].Name().Fail("keep to fewer", "there are more than %d objectives", draft.MaxObjectives)
	}
	l.unique()
	l.queries()
	l.receivers()
	l.thresholds()
	for _, r := range readers {
		problems = append(problems, r.Errors()...)
	}
	for _, p := range problems {
		if !p.Warning {
			return nil, problems
		}
	}
	for _, d := range l.drafts {
		set.SLOs = append(set.SLOs, d.SLO)
	}
	return set, problems
}

// loader has what was read so far.
type loader struct {
	options Options
	slo     openslo.Reader
	drafts  []*draft.Draft
}

// versions lists what a document may say it is, for a hint.
const versions = "apiVersion: openslo/v1, version: prometheus/v1 (Sloth), apiVersion: sloth.slok.dev/v1, apiVersion: pyrra.dev/v1alpha1"

// document reads a document by the reader of its format.
func (l *loader) document(v yamldoc.Value) {
	hint := "begin with one of " + versions
	if !v.IsObject() {
		v.Fail(hint, "the document is %s, not an object", v.KindOf())
		return
	}
	if len(l.drafts) > draft.MaxObjectives {
		return // which is said when all are read
	}
	if _, ok := v.Child("version"); ok {
		l.drafts = append(l.drafts, sloth.Document(v, sloth.Options{Window: l.options.Window})...)
		return
	}
	at, ok := v.Child("apiVersion")
	if !ok {
		v.Missing("apiVersion", hint)
		return
	}
	version := ""
	if !at.Text(&version, draft.MaxName) {
		return
	}
	switch version {
	case openslo.Version:
		l.slo.Document(v)
	case sloth.APIVersion:
		l.drafts = append(l.drafts, sloth.Resource(v, sloth.Options{Window: l.options.Window})...)
	case pyrra.Version:
		l.drafts = append(l.drafts, pyrra.Document(v)...)
	default:
		if near := yamldoc.Nearest(version, []string{openslo.Version, sloth.APIVersion, pyrra.Version}); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		at.Fail(hint, "is no version of objectives that goshawk reads")
	}
}

// unique says which names are there twice. Letters of another case make the same
// name of a rule.
func (l *loader) unique() {
	seen := make(map[string]yamldoc.Value)
	for _, d := range l.drafts {
		name := strings.ToLower(d.SLO.Name)
		if name == "" {
			continue
		}
		before, twice := seen[name]
		if !twice {
			seen[name] = d.Name()
			continue
		}
		// Two of one SLO were told apart, or the document is there twice.
		if d.Name().Place() != before.Place() {
			d.Name().Fail("give each objective a name of its own", "the objective %s is defined already, at %s", yamldoc.Show(d.SLO.Name), before.Place())
		}
	}
}

// queries checks the expressions.
func (l *loader) queries() {
	if l.options.Query == nil {
		return
	}
	for _, d := range l.drafts {
		q := d.SLO.Indicator.Query
		for _, e := range []struct{ name, text, of string }{{"good", q.Good, "good events"}, {"bad", q.Bad, "bad events"}, {"total", q.Total, "all events"}, {"ratio", q.Ratio, "the share"}} {
			if e.text == "" {
				continue
			}
			if err := l.options.Query(e.text); err != nil {
				d.Place("indicator.query."+e.name).Named().Fail("look at the query of "+e.of, "%s", yamldoc.Show(fmt.Sprintf("is no PromQL: %v", err)))
			}
		}
	}
}

// receivers warns of alerts that are for somebody who is not there.
func (l *loader) receivers() {
	if l.options.Receivers == nil {
		return
	}
	for _, d := range l.drafts {
		var said []string
		for i, a := range d.SLO.Alerts {
			for _, name := range a.Receivers {
				if slices.Contains(l.options.Receivers, name) || slices.Contains(said, name) {
					continue
				}
				said = append(said, name)
				hint := "configure a Receiver of that name"
				if near := yamldoc.Nearest(name, l.options.Receivers); near != "" {
					hint = "did you mean " + yamldoc.Show(near) + "?"
				}
				d.Place(fmt.Sprintf("alerts[%d].receivers", i)).Named().Warn(hint, "the receiver %s is not configured: it is told nothing", yamldoc.Show(name))
			}
		}
	}
}

// maxThresholds is by how many thresholds requests can be counted in the kernel.
const maxThresholds = 16

// thresholds warns of thresholds that there is no room for. The shortest have it.
func (l *loader) thresholds() {
	var all []time.Duration
	for _, d := range l.drafts {
		if i := &d.SLO.Indicator; i.Signal == objective.SignalHTTP && i.Threshold > 0 {
			all = append(all, i.Threshold)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) <= maxThresholds {
		return
	}
	for _, d := range l.drafts {
		if i := &d.SLO.Indicator; i.Signal == objective.SignalHTTP && i.Threshold > all[maxThresholds-1] {
			d.Place("indicator.threshold").Warn("use fewer different thresholds", "requests are counted by %d different thresholds at most, the shortest: no request is judged by this one", maxThresholds)
		}
	}
}
