package ui

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Command is the page of one command, or of one event of any probe.
type Command struct {
	// Name is short: the base name of what ran, or the probe.
	Name, Kind string
	// Back leads to the list that it is of.
	Back, BackText string
	Service        string
	ServiceHref    string
	Began, Ended   when
	Outcome        Outcome
	// Killer says who ended it, Because what a failure means.
	Killer   string
	KillerAt string
	Figures  []Figure
	// Argv are the arguments with escapes for what has no shape; Line is the
	// same as a shell reads it.
	Argv []string
	Line string
	// Cut says that the arguments were too long to keep.
	Cut      string
	Split    []Rect
	Legend   []Key
	Cost     []Prop
	Facts    []Prop
	Findings []FindingView
	Stack    Stack
	// Request is the request that it ran for, nil when it ran for none.
	Request  *Relative
	Parent   *Relative
	Children []Relative
	// More is how many children are not listed.
	More int
	Tree *Waterfall
	// Weight explains that it stands for others, too.
	Weight string
	Lacks  []string
}

// Prop is a name and a value with what it means.
type Prop struct{ Name, Value, Sub, Href string }

// Relative is a command that ran this one, or that it ran.
type Relative struct {
	Text, Title, Href, Duration string
	Outcome                     Outcome
}

func (s *server) command(r *http.Request) (*Page, error) { return s.one(r, true) }

func (s *server) event(r *http.Request) (*Page, error) { return s.one(r, false) }

// one makes the page of an event. A command has a tree around it.
func (s *server) one(r *http.Request, command bool) (*Page, error) {
	ctx, now := r.Context(), s.now()
	record, err := s.api.Event(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if command != (record.Probe == probeExec) {
		return nil, &redirect{eventHref(record.Probe, record.ID)}
	}
	if record.Probe == probeHTTP {
		return s.request(r, record)
	}
	c := newCommand(record, now)
	if !command {
		probes, err := s.api.Probes(ctx)
		if err != nil {
			return nil, err
		}
		c.Facts = append(c.Facts, attributeProps(record.Attributes, probes.Items, record.Probe)...)
		return &Page{View: "command", Nav: record.Probe, Title: c.Name, Body: c}, nil
	}
	around, err := s.api.Waterfall(ctx, v1.EventQuery{}, record.ID)
	if err != nil {
		// The command itself is known; the page says what it lacks.
		c.Lacks = append(c.Lacks, "the commands around it: "+err.Error())
		return &Page{View: "command", Nav: "commands", Title: c.Name, Body: c}, nil
	}
	c.relate(around, record.ID)
	for i := range around.Above {
		if b := &around.Above[i]; b.Kind == kindRequest {
			request := newRelative(b)
			c.Request = &request
			break
		}
	}
	if len(around.Bars) > 1 {
		view := newWaterfall("tree", "This command and those below it", waterfallSrc(v1.EventQuery{}, record.ID), around, record.ID)
		view.Data = unlinked(around)
		c.Tree = &view
	}
	c.Lacks = append(c.Lacks, around.Incomplete...)
	return &Page{View: "command", Nav: "commands", Title: clip(c.Name, 100), Body: c}, nil
}

func newCommand(r v1.Record, now time.Time) Command {
	a := r.Attributes
	args := argv(a)
	c := Command{
		Name: visible(orWord(text(a, keyName), r.Probe)), Kind: "Command", Back: "/commands", BackText: "Commands",
		Service: visible(r.Service), ServiceHref: serviceHref(r.Service),
		Began: newWhen(r.Time, now), Ended: newWhen(v1.Time(ended(&r.Event)), now),
		Outcome: outcomeOf(&r.Event), Line: commandLine(args), Stack: newStack(r.Stack),
	}
	if r.Probe != probeExec {
		what := strings.ReplaceAll(orWord(text(a, keyEvent), "event"), "_", " ")
		c.Name, c.Kind, c.Line = what, r.Probe, ""
		c.Back, c.BackText = link("/events", "probe", r.Probe), strings.ToUpper(r.Probe)
		args = nil
	}
	for _, arg := range args {
		c.Argv = append(c.Argv, visible(arg))
	}
	if text(a, keyTruncated) == "true" {
		c.Cut = "The arguments are longer than what is kept."
		if n, ok := number(a, keyArgsBytes); ok {
			c.Cut = "The arguments are " + size(n) + " long; the first 64 KiB were kept."
		}
	}
	if pid, ok := number(a, keyKilledBy); ok {
		c.Killer = "by process " + strconv.FormatInt(pid, 10)
		if parent, ok := number(a, keyParentPID); ok && parent == pid {
			c.Killer = "by its parent, process " + strconv.FormatInt(pid, 10)
		}
		c.KillerAt = link("/commands", "pid", strconv.FormatInt(pid, 10))
	} else if text(a, keySignal) != "" {
		c.Killer = "by the kernel, or by a process that was not seen"
	}
	if n := math.Round(r.Weight); n > 1 {
		c.Weight = "Of commands like this one only some are kept: this one stands for " + grouped(int64(n)) + " of them. Counts and rates take that into account."
	}
	for _, f := range r.Findings {
		c.Findings = append(c.Findings, newFinding(f))
	}
	slices.SortStableFunc(c.Findings, func(a, b FindingView) int { return a.rank - b.rank })
	c.Figures = figures(&r)
	c.Split, c.Legend = split(&r)
	c.Cost = costProps(a)
	c.Facts = factProps(&r)
	return c
}

// figures are what one asks first.
func figures(r *v1.Record) []Figure {
	var list []Figure
	if r.DurationNS != nil {
		list = append(list, figure(duration(*r.DurationNS), "took"))
	}
	a := r.Attributes
	user, ok1 := number(a, keyCPUUser)
	system, ok2 := number(a, keyCPUSystem)
	if ok1 || ok2 {
		list = append(list, figure(duration(user+system), "on CPU"))
	}
	if rss, ok := number(a, keyMaxRSS); ok {
		list = append(list, figure(size(rss), "peak memory"))
	}
	return list
}

// figure parts a number from its unit.
func figure(value, label string) Figure {
	number, unit, _ := strings.Cut(value, " ")
	if strings.Count(value, " ") > 1 {
		number, unit = value, ""
	}
	return Figure{Value: number, Unit: unit, Label: label}
}

// split divides the duration by what was spent, as the waterfall does.
func split(r *v1.Record) ([]Rect, []Key) {
	if r.DurationNS == nil || *r.DurationNS <= 0 {
		return nil, nil
	}
	a := r.Attributes
	user, ok1 := number(a, keyCPUUser)
	system, ok2 := number(a, keyCPUSystem)
	if !ok1 && !ok2 {
		return nil, nil
	}
	delay, _ := number(a, keyRunDelay)
	pipe, _ := number(a, keyPipe)
	total := *r.DurationNS
	parts := []struct {
		kind, name string
		ns         int64
	}{
		{"cpu", "on CPU", user + system}, {"run_delay", "ready, waiting for a CPU", delay}, {"pipe", "blocked on a full pipe", pipe}, {"wait", "waiting", 0},
	}
	var rects []Rect
	var keys []Key
	rest, x := total, 0.0
	for _, p := range parts {
		ns := min(p.ns, rest)
		if p.kind == "wait" {
			ns = rest
		}
		if ns <= 0 {
			continue
		}
		rest -= ns
		w := float64(ns) / float64(total) * 1000
		rects = append(rects, Rect{X: x, W: w, H: 10, Class: "f-" + p.kind})
		keys = append(keys, Key{"f-" + p.kind, duration(ns) + " " + p.name})
		x += w
	}
	return rects, keys
}

func costProps(a v1.Attributes) []Prop {
	var list []Prop
	add := func(name, key string, render func(int64) string, sub string) {
		if n, ok := number(a, key); ok {
			list = append(list, Prop{Name: name, Value: render(n), Sub: sub})
		}
	}
	add("CPU, user", keyCPUUser, duration, "")
	add("CPU, kernel", keyCPUSystem, duration, "")
	add("Waited for a CPU", keyRunDelay, duration, "ready to run, summed over its threads")
	add("Blocked on a pipe", keyPipe, duration, "nobody read what it wrote")
	add("Start", keySetup, duration, "from fork to the begin of its image")
	add("As a zombie", keyUnreaped, duration, "from its end until its parent waited for it")
	add("Peak memory", keyMaxRSS, size, "")
	add("Read", keyRead, size, "from files, caches, pipes and sockets")
	add("Written", keyWrite, size, "")
	return list
}

func factProps(r *v1.Record) []Prop {
	a := r.Attributes
	var list []Prop
	add := func(p Prop) {
		if p.Value != "" {
			p.Value = visible(p.Value)
			list = append(list, p)
		}
	}
	add(Prop{Name: "Executable", Value: text(a, keyPath)})
	add(Prop{Name: "Folder", Value: text(a, keyDirectory)})
	add(Prop{Name: "Process", Value: pidText(r.PID)})
	if parent := text(a, keyParentPID); parent != "" {
		add(Prop{Name: "Run by", Value: strings.TrimSpace(text(a, keyParent) + " " + parent)})
	}
	add(Prop{Name: "Goroutine", Value: goroutineText(r.GoroutineID)})
	add(Prop{Name: "Replaced by", Value: text(a, keyReplaced)})
	add(Prop{Name: "Trace", Value: r.TraceID, Sub: "W3C trace id"})
	add(Prop{Name: "Span", Value: r.SpanID})
	add(Prop{Name: "Container", Value: r.ContainerID})
	add(Prop{Name: "Pod", Value: r.PodUID})
	add(Prop{Name: "Control group", Value: text(a, keyCgroup)})
	return list
}

func goroutineText(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 10)
}

// attributeProps shows the attributes of an event as its probe's schema
// describes them.
func attributeProps(a v1.Attributes, probes []v1.Probe, probe string) []Prop {
	var list []Prop
	i := slices.IndexFunc(probes, func(p v1.Probe) bool { return p.Name == probe })
	if i < 0 {
		return nil
	}
	for _, f := range probes[i].Fields {
		if value := attributeText(a, f); value != "" {
			list = append(list, Prop{Name: f.Key, Value: value, Sub: f.Summary})
		}
	}
	return list
}

// attributeText renders an attribute by its type and unit.
func attributeText(a v1.Attributes, f v1.Field) string {
	n, whole := number(a, f.Key)
	switch {
	case whole && f.Unit == "ns":
		return duration(n)
	case whole && f.Unit == "By":
		return size(n)
	}
	return visible(text(a, f.Key))
}

// maxChildren bounds the list of children; the waterfall has all.
const maxChildren = 20

// relate finds the parent and the children of a command in the tree.
func (c *Command) relate(w v1.Waterfall, id string) {
	me := slices.IndexFunc(w.Bars, func(b v1.Bar) bool { return b.ID == id })
	if me < 0 {
		return
	}
	if parent := w.Bars[me].Parent; parent >= 0 && parent < len(w.Bars) && w.Bars[parent].ID != "" {
		p := newRelative(&w.Bars[parent])
		c.Parent = &p
	}
	for i := range w.Bars {
		if w.Bars[i].Parent != me {
			continue
		}
		if len(c.Children) == maxChildren {
			c.More++
			continue
		}
		c.Children = append(c.Children, newRelative(&w.Bars[i]))
	}
}

func newRelative(b *v1.Bar) Relative {
	o := barOutcome(b)
	return Relative{Text: visible(b.Label), Title: clip(visible(b.Detail), maxTitle), Href: b.Href, Duration: duration(b.DurationNS), Outcome: o}
}
