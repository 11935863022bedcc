package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Options says what there is to configure. The zero value accepts a probe of
// any name, with all that a probe can be told.
type Options struct {
	// Probes are the probes that there are; nil accepts any.
	Probes []KnownProbe
}

// Resource is a document that was read.
type Resource struct {
	// APIVersion and Kind say what it is.
	APIVersion, Kind string
	// Name is its metadata.name.
	Name string
	// File and Line are where it is.
	File string
	Line int
}

// Config is a configuration that is complete and right. It never changes, and
// its zero value and nil are the one in which all is as by default.
type Config struct {
	files     []string
	hash      string
	resources []Resource
	specs     map[key]any
	// onRequest are the probes that are off unless a document speaks of them.
	onRequest []string
}

// key names a resource.
type key struct{ kind, name string }

// Load reads the files that paths name; of a folder, the *.yaml and *.yml
// files right in it. The error is of type [Errors] and holds all that is
// wrong. Without paths all is as by default.
func Load(paths []string, o Options) (*Config, error) {
	return parse(read(paths), o)
}

// Files returns the files that were read.
func (c *Config) Files() []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.files)
}

// Hash names the content of the files, empty without files.
func (c *Config) Hash() string {
	if c == nil {
		return ""
	}
	return c.hash
}

// Resources returns what was read, in the order of the files.
func (c *Config) Resources() []Resource {
	if c == nil {
		return nil
	}
	return slices.Clone(c.resources)
}

// Probe returns how the probe named name works, complete with defaults.
func (c *Config) Probe(name string) ProbeConfig {
	if c != nil {
		if p, ok := c.specs[key{KindProbe, name}].(ProbeConfig); ok {
			return p.clone()
		}
	}
	return c.standardProbe(name)
}

// standardProbe is how a probe works that no file mentions.
func (c *Config) standardProbe(name string) ProbeConfig {
	p := standardProbe()
	p.Enabled = c == nil || !slices.Contains(c.onRequest, name)
	return p
}

// spec returns what c says of a resource, or what holds without it.
func (c *Config) spec(k key) any {
	if c != nil {
		if spec, ok := c.specs[k]; ok {
			return spec
		}
	}
	if k.kind == KindProbe {
		return c.standardProbe(k.name)
	}
	for _, kind := range kinds(Options{}) {
		if kind.name == k.kind {
			return kind.standard
		}
	}
	return nil
}

// KindProbe is the kind of a [ProbeConfig].
const KindProbe = "Probe"

// apiVersion is that of Goshawk's own kinds.
const apiVersion = "goshawk.io/v1"

// kind is a kind of document.
type kind struct {
	apiVersion, name string
	// summary is one sentence.
	summary string
	// standard is what holds for a resource that no file mentions.
	standard any
	// fields are those of its spec, for the docs.
	fields []yamldoc.Field
	// read reads one. The name is zero when there is none that is right, the spec
	// when there is none; what is wrong is added to the errors, and the result is
	// of no use then.
	read func(name, spec yamldoc.Value) any
}

// kinds lists the kinds that there are.
func kinds(o Options) []kind {
	return []kind{
		{
			apiVersion: apiVersion, name: KindProbe, summary: "How a probe works; metadata.name is the probe's.",
			standard: standardProbe(), read: readProbe(o),
			fields: probeFields(new(ProbeConfig), KnownProbe{Functions: true, Requests: true, Starts: true}),
		},
		{
			apiVersion: apiVersion, name: KindReceiver, summary: "Who is told of alerts, and how; metadata.name is what objectives call the receiver.",
			read: readReceiver, fields: receiverFields(new(receiver), ""),
		},
		{
			apiVersion: apiVersion, name: KindRemoteWrite, summary: "A receiver of Prometheus remote write, to which the series of objectives are sent.",
			read: readRemoteWrite, fields: remoteWriteFields(new(RemoteWrite), new(notify.TLS)),
		},
	}
}

// builder puts a configuration together.
type builder struct {
	config *Config
	kinds  []kind
	places map[key]string
	errs   Errors
}

// parse reads what is in s.
func parse(s snapshot, o Options) (*Config, error) {
	b := builder{config: &Config{specs: make(map[key]any), onRequest: onRequest(o.Probes)}, kinds: kinds(o), places: make(map[key]string), errs: s.errs}
	for i, f := range s.sources {
		if len(b.errs) >= yamldoc.MaxErrors {
			b.errs = append(b.errs, &Error{File: f.Name, Cause: fmt.Sprintf("is not checked, and %d files after it", len(s.sources)-i-1), Hint: "correct the errors before, and check again"})
			break
		}
		b.config.files = append(b.config.files, f.Name)
		r := yamldoc.NewReader(f.Name)
		r.Parse(f.Data, b.document)
		b.errs = append(b.errs, r.Errors()...)
	}
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	if len(s.sources) > 0 {
		b.config.hash = s.hash()
	}
	return b.config, nil
}

// document reads one resource.
func (b *builder) document(v yamldoc.Value) {
	if !v.IsObject() {
		v.Fail("begin with apiVersion: "+apiVersion, "the document is %s, not an object", v.KindOf())
		return
	}
	k, ok := b.kindOf(v)
	if !ok {
		return
	}
	text := ""
	v.Object([]yamldoc.Field{
		{Name: "apiVersion", Raw: true},
		{Name: "kind", Raw: true},
		{Name: "metadata", Required: true, Sample: "{name: NAME}", Fields: []yamldoc.Field{
			{Name: "name", Kind: "a name", Required: true, Sample: "NAME", Read: func(v yamldoc.Value) { v.Text(&text, maxServiceName) }},
		}},
		{Name: "spec", Raw: true},
	})
	metadata, _ := v.Child("metadata")
	name, named := metadata.Child("name")
	spec, _ := v.Child("spec")
	if !named || text == "" {
		// Its absence was said; the rest is looked at all the same.
		name = yamldoc.Value{}
	}
	read := k.read(name, spec)
	if name.IsZero() {
		return
	}
	id := key{k.name, text}
	if place, twice := b.places[id]; twice {
		name.Fail("write one document for it", "is defined already, at %s", place)
		return
	}
	b.places[id] = name.Place()
	b.config.specs[id] = read
	b.config.resources = append(b.config.resources, Resource{APIVersion: k.apiVersion, Kind: k.name, Name: text, File: v.File(), Line: v.Line()})
}

// kindOf returns the kind of a document.
func (b *builder) kindOf(v yamldoc.Value) (kind, bool) {
	var version, name string
	hint := "the kinds are: " + b.known()
	read := func(field string, to *string) (yamldoc.Value, bool) {
		found, ok := v.Child(field)
		if !ok {
			v.Missing(field, hint)
			return found, false
		}
		return found, found.Text(to, maxServiceName)
	}
	versionAt, versionOK := read("apiVersion", &version)
	nameAt, nameOK := read("kind", &name)
	if !versionOK || !nameOK {
		return kind{}, false
	}
	knownVersion := false
	for _, k := range b.kinds {
		if k.apiVersion == version && k.name == name {
			return k, true
		}
		knownVersion = knownVersion || k.apiVersion == version
	}
	if knownVersion {
		nameAt.Fail(hint, "there is no such kind in %s", version)
	} else {
		versionAt.Fail(hint, "there is no such version; the kind is %s", yamldoc.Show(name))
	}
	return kind{}, false
}

// known lists the kinds for a hint.
func (b *builder) known() string {
	var list []string
	for _, k := range b.kinds {
		list = append(list, k.apiVersion+" "+k.name)
	}
	return strings.Join(list, ", ")
}
