package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// KnownProbe is a probe that there is, and what it can be told.
type KnownProbe struct {
	// Name is what users call the probe.
	Name string
	// Functions says that it attaches to functions of services: it has
	// targets.
	Functions bool
	// Requests says that its events are requests: it has sampling, routes and
	// a map of trace contexts.
	Requests bool
	// Starts says that its events are starts of programs: it attaches to
	// executables before they run.
	Starts bool
	// OnRequest says that it runs only where a document speaks of it.
	OnRequest bool
}

func onRequest(list []KnownProbe) []string {
	var names []string
	for _, k := range list {
		if k.OnRequest {
			names = append(names, k.Name)
		}
	}
	return names
}

// ProbeConfig is how a probe works. [Config.Probe] returns it complete: what
// no file says has its default.
type ProbeConfig struct {
	// Enabled says that the probe runs.
	Enabled bool
	// Targets says which services it attaches to.
	Targets Targets
	// Sampling says which requests become events.
	Sampling Sampling
	// Routes bounds what is told apart.
	Routes Routes
	// TraceContextMap says that the current context of each goroutine is
	// published in the pinned map otel/traces_ctx_v1.
	TraceContextMap bool
}

// Targets selects services by their exact names.
type Targets struct {
	// Services are those to attach to; none means all.
	Services []string
	// Exclude are those to leave alone.
	Exclude []string
	// Executables are paths of files to attach to before any process runs them.
	Executables []string
}

// Match reports whether the service is selected.
func (t Targets) Match(service string) bool {
	return !slices.Contains(t.Exclude, service) && (len(t.Services) == 0 || slices.Contains(t.Services, service))
}

// Sampling says which requests become events. Counts are of all requests,
// whatever it says.
type Sampling struct {
	// PerSecond is how many requests of each route and status become events
	// in a second; 0 is none.
	PerSecond int
	// FailedPerSecond is the same for requests that failed or were slow.
	FailedPerSecond int
	// Slow is from when on a request is slow; 0 means the p99 of its route.
	Slow time.Duration
}

// Routes bounds what is told apart.
type Routes struct {
	// Limit is how many path templates are kept apart in a process.
	Limit int
}

// standardProbe is what a document says that says nothing.
func standardProbe() ProbeConfig {
	return ProbeConfig{
		Enabled:  true,
		Sampling: Sampling{PerSecond: 10, FailedPerSecond: 100},
		Routes:   Routes{Limit: 200},
	}
}

// clone returns a copy that shares nothing with p.
func (p ProbeConfig) clone() ProbeConfig {
	p.Targets.Services = slices.Clone(p.Targets.Services)
	p.Targets.Exclude = slices.Clone(p.Targets.Exclude)
	p.Targets.Executables = slices.Clone(p.Targets.Executables)
	return p
}

// The bounds of what a probe is told.
const (
	maxPerSecond   = 100_000
	maxRoutes      = 10_000
	maxServices    = 1000
	maxServiceName = 255
	maxPath        = 4096
	minSlow        = time.Millisecond
	maxSlow        = time.Hour
	wordAuto       = "auto"
)

// probeFields are the fields of a probe's spec, which they read into p.
func probeFields(p *ProbeConfig, known KnownProbe) []yamldoc.Field {
	perSecond := fmt.Sprintf("a whole number from 0 to %d", maxPerSecond)
	functions, requests, starts := "", "", ""
	if !known.Starts {
		starts = "the probe " + known.Name + " attaches to what runs"
	}
	if !known.Functions {
		functions = "the probe " + known.Name + " attaches to no functions of services"
	}
	if !known.Requests {
		requests = "the probe " + known.Name + " sees no requests"
	}
	enabled := "true"
	if known.OnRequest {
		enabled = "false"
	}
	return []yamldoc.Field{
		{Name: "enabled", Kind: "true or false", Standard: enabled, Summary: "Whether the probe runs. The probe startup runs only where a document speaks of it.",
			Read: func(v yamldoc.Value) { v.Boolean(&p.Enabled) }},
		{Name: "targets", Of: "probes of functions", Refuse: functions, Summary: "Which services the probe attaches to.", Fields: []yamldoc.Field{
			{Name: "services", Kind: "a list of names", Sample: "[shop, cart]", Summary: "The services to attach to; left out, all.",
				Read: func(v yamldoc.Value) { services(v, &p.Targets.Services, &p.Targets.Exclude) }},
			{Name: "exclude", Kind: "a list of names", Sample: "[billing]", Summary: "Services to leave alone.",
				Read: func(v yamldoc.Value) { services(v, &p.Targets.Exclude, &p.Targets.Services) }},
			{Name: "executables", Of: "startup", Refuse: starts, Kind: "a list of absolute paths", Sample: "[/usr/local/bin/shop]", Summary: "Files to attach to before any process runs them, so that the first start is seen too.",
				Read: func(v yamldoc.Value) { paths(v, &p.Targets.Executables) }},
		}},
		{Name: "sampling", Of: "http", Refuse: requests, Summary: "Which requests become events. Counts are of all requests, whatever is written here.", Fields: []yamldoc.Field{
			{Name: "perSecond", Kind: perSecond, Standard: "10", Summary: "Requests of each route and status that become events in a second; 0 for none.",
				Read: func(v yamldoc.Value) { v.Number(&p.Sampling.PerSecond, 0, maxPerSecond) }},
			{Name: "failedPerSecond", Kind: perSecond, Standard: "100", Summary: "The same for requests that failed or were slow.",
				Read: func(v yamldoc.Value) { v.Number(&p.Sampling.FailedPerSecond, 0, maxPerSecond) }},
			{Name: "slow", Kind: "a duration from " + yamldoc.Brief(minSlow) + " to " + yamldoc.Brief(maxSlow) + ", or " + wordAuto, Standard: wordAuto, Summary: "From when on a request is slow; auto is the p99 of its route.",
				Read: func(v yamldoc.Value) { v.Duration(&p.Sampling.Slow, minSlow, maxSlow, wordAuto) }},
		}},
		{Name: "routes", Of: "http", Refuse: requests, Summary: "How far requests are told apart by their paths.", Fields: []yamldoc.Field{
			{Name: "limit", Kind: fmt.Sprintf("a whole number from 1 to %d", maxRoutes), Standard: "200", Summary: "Path templates kept apart in a process; the rest counts as one.",
				Read: func(v yamldoc.Value) { v.Number(&p.Routes.Limit, 1, maxRoutes) }},
		}},
		{Name: "traceContextMap", Of: "http", Refuse: requests, Kind: "true or false", Standard: "false", Summary: "Whether the current trace context of each goroutine is published in the pinned map `otel/traces_ctx_v1`, which other agents read.",
			Read: func(v yamldoc.Value) { v.Boolean(&p.TraceContextMap) }},
	}
}

// services reads a list of names of services, none of which may be in other.
func services(v yamldoc.Value, to, other *[]string) {
	v.Items(maxServices, func(item yamldoc.Value) {
		name := ""
		switch {
		case !item.Text(&name, maxServiceName):
		case strings.ContainsAny(name, "*?"):
			item.Fail("write the name of each service", "is a pattern, and names are compared whole")
		case slices.Contains(*to, name):
			item.Fail("write it once", "is there twice")
		case slices.Contains(*other, name):
			item.Fail("write it in one of the two", "is among the services and among those to leave alone")
		default:
			*to = append(*to, name)
		}
	})
}

// paths reads a list of absolute paths.
func paths(v yamldoc.Value, to *[]string) {
	v.Items(maxServices, func(item yamldoc.Value) {
		path := ""
		switch {
		case !item.Text(&path, maxPath):
		case !filepath.IsAbs(path):
			item.Fail("begin it with a slash", "is no absolute path")
		case slices.Contains(*to, path):
			item.Fail("write it once", "is there twice")
		default:
			*to = append(*to, path)
		}
	})
}

// readProbe reads a document of the kind Probe.
func readProbe(o Options) func(name, spec yamldoc.Value) any {
	return func(name, spec yamldoc.Value) any {
		p := standardProbe()
		// All may be written for a probe that is not known: its name is the
		// error.
		known := KnownProbe{Functions: true, Requests: true, Starts: true}
		if o.Probes != nil && !name.IsZero() {
			i := slices.IndexFunc(o.Probes, func(k KnownProbe) bool { return k.Name == name.Scalar() })
			if i >= 0 {
				known = o.Probes[i]
			} else {
				name.Fail("the probes are: "+probeNames(o.Probes), "there is no such probe")
			}
		}
		if !spec.IsZero() {
			spec.Object(probeFields(&p, known))
		}
		return p
	}
}

func probeNames(list []KnownProbe) string {
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
