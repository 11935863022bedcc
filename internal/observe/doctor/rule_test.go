package doctor

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// healthy returns evidence in which no rule has anything to say.
func healthy() *Evidence {
	return &Evidence{
		Environment: &Environment{
			Dir: "/src", Installations: []Installation{{Path: "/usr/local/go/bin/go", Root: "/usr/local/go", Version: "go1.26.8"}},
			Settings: map[string]Setting{
				"GOPROXY": {"https://proxy.golang.org,direct", "the default"}, "GOSUMDB": {"sum.golang.org", "the default"}, "GOTOOLCHAIN": {"auto", "the default"},
			},
			Module:       &Module{Dir: "/src", Path: "example.com/m", Go: "go1.26.0"},
			Proxies:      []Reached{{Host: "proxy.golang.org:443", Outcome: Answered, Status: 200}},
			SumDBByProxy: "proxy.golang.org:443",
		},
		Binary: &Binary{
			Path: "/src/m", GoVersion: "go1.26.8", Module: "example.com/m", Settings: map[string]string{"-gcflags": "", "CGO_ENABLED": "1", "vcs.modified": "false"},
			SymbolTable: true, DWARF: true, Static: true, Installed: "go1.26.8", Source: &Module{Dir: "/src", Path: "example.com/m", Go: "go1.26.0"},
		},
		Process: &Process{
			PID: 7, Interval: time.Second, HasEnvironment: true, CPUs: 4, Descriptors: 20, DescriptorLimit: 1024, Exe: "/src/m", Threads: 9,
			CPU: 600 * time.Millisecond, RunDelay: 20 * time.Millisecond, HasSched: true, Goroutines: &Goroutines{First: 900, Last: 1000},
			Groups: []QuotaGroup{{Path: "/app", CPUs: 2, Total: cgroup.Throttling{Periods: 1000, Throttled: 3}, Seen: cgroup.Throttling{Periods: 10}}},
			Memory: Memory{Limit: 1 << 30, Used: 300 << 20, Group: "/app"}, GoMemLimit: "900MiB",
		},
	}
}

// ruleCases provoke each rule by one change of what is healthy, and name the severity
// and a part of the evidence.
func ruleCases() []ruleCase {
	return slices.Concat(environmentCases(), networkCases(), binaryCases(), processCases(), memoryCases())
}

type ruleCase struct {
	name     string
	rule     string // empty: nothing is found
	severity model.Severity
	evidence string
	change   func(e *Evidence)
}

func set(name, value string) func(*Evidence) {
	return func(e *Evidence) { e.Environment.Settings[name] = Setting{value, "the environment"} }
}

func changes(list ...func(*Evidence)) func(*Evidence) {
	return func(e *Evidence) {
		for _, c := range list {
			c(e)
		}
	}
}

func wants(line string) func(*Evidence) {
	return func(e *Evidence) { e.Environment.Module.Go = line }
}

func environmentCases() []ruleCase {
	other := Installation{Path: "/usr/bin/go", Root: "/usr/lib/go-1.19", Version: "go1.19.8"}
	also := func(i Installation) func(*Evidence) {
		return func(e *Evidence) { e.Environment.Installations = append(e.Environment.Installations, i) }
	}
	goroot := func(root, version string) func(*Evidence) {
		return func(e *Evidence) {
			e.Environment.GOROOT = &Installation{Root: root, Version: version}
			set("GOROOT", root)(e)
		}
	}
	inFile := func(file, env map[string]string) func(*Evidence) {
		return func(e *Evidence) {
			e.Environment.EnvFile, e.Environment.InFile, e.Environment.Variables = "/home/u/go/env", file, env
		}
	}
	noModule := func(e *Evidence) { e.Environment.Module = nil }
	return []ruleCase{
		{"two versions in PATH", "shadowed-go", model.SeverityWarn, "hides go1.19.8 at /usr/bin/go", also(other)},
		{"one version twice", "shadowed-go", model.SeverityInfo, "2 installations", also(Installation{"/opt/go/bin/go", "/opt/go", "go1.26.8"})},
		{"a shim is none", "", 0, "", also(Installation{Path: "/home/u/.asdf/shims/go"})},
		{"GOROOT of another version", "goroot-mismatch", model.SeverityError, "is go1.19.8, and the go command that runs is go1.26.8", goroot("/usr/lib/go-1.19", "go1.19.8")},
		{"GOROOT of the same version", "goroot-mismatch", model.SeverityWarn, "/opt/go", goroot("/opt/go", "go1.26.8")},
		{"GOROOT without Go", "goroot-mismatch", model.SeverityError, "no VERSION file", goroot("/gone", "")},
		{"GOROOT as it is", "", 0, "", goroot("/usr/local/go", "go1.26.8")},
		{"go.mod is newer, local", "toolchain-mismatch", model.SeverityError, "asks for go1.28.0", changes(wants("go1.28.0"), set("GOTOOLCHAIN", "local"))},
		{"go.mod is newer, a fixed toolchain", "toolchain-mismatch", model.SeverityError, "GOTOOLCHAIN=go1.27.1", changes(wants("go1.28.0"), set("GOTOOLCHAIN", "go1.27.1"))},
		{"go.mod is newer, auto", "toolchain-mismatch", model.SeverityInfo, "hands over", wants("go1.28.0")},
		{"go.mod is newer, path", "toolchain-mismatch", model.SeverityInfo, "hands over", changes(wants("go1.28.0"), set("GOTOOLCHAIN", "go1.27.1+path"))},
		{"go.mod is newer, nothing is downloaded", "toolchain-mismatch", model.SeverityWarn, "keeps it from being downloaded", changes(wants("go1.28.0"), set("GOPROXY", "off"))},
		{"the installed Go is before toolchains", "toolchain-mismatch", model.SeverityWarn, "knows nothing of choosing", changes(wants("go1.28.0"), func(e *Evidence) { e.Environment.Installations[0].Version = "go1.19.8" })},
		{"a toolchain line, local", "toolchain-mismatch", model.SeverityInfo, "suggests the toolchain go1.27.1", changes(set("GOTOOLCHAIN", "local"), func(e *Evidence) { e.Environment.Module.Toolchain = "go1.27.1" })},
		{"a toolchain as new as go.mod asks for", "", 0, "", changes(wants("go1.28.0"), set("GOTOOLCHAIN", "go1.28.0"))},
		{"an older go.mod", "", 0, "", changes(wants("go1.20"), set("GOTOOLCHAIN", "local"))},
		{"vendor without a folder", "goflags", model.SeverityError, "no vendor/modules.txt", set("GOFLAGS", "-trimpath -mod=vendor")},
		{"vendor with a folder", "", 0, "", changes(set("GOFLAGS", "-mod=vendor"), func(e *Evidence) { e.Environment.Module.Vendor = true })},
		{"-mod=mod", "goflags", model.SeverityWarn, "change go.mod", set("GOFLAGS", "--mod=mod")},
		{"-race for all", "goflags", model.SeverityWarn, "race detector", set("GOFLAGS", "-race")},
		{"-insecure", "goflags", model.SeverityWarn, "removed", set("GOFLAGS", "-insecure")},
		{"no revisions", "goflags", model.SeverityInfo, "revision", set("GOFLAGS", "-buildvcs=false")},
		{"harmless flags", "", 0, "", set("GOFLAGS", "-trimpath -tags=netgo -modcacherw")},
		{"go env -w", "goenv-file", model.SeverityInfo, "sets GOPROXY; has another GOSUMDB", inFile(map[string]string{"GOPROXY": "direct", "GOSUMDB": "off"}, map[string]string{"GOSUMDB": "sum.golang.org"})},
		{"go env -w says the same as the environment", "", 0, "", inFile(map[string]string{"GOSUMDB": "x"}, map[string]string{"GOSUMDB": "x"})},
		{"GOPATH is GOROOT", "gopath-is-goroot", model.SeverityWarn, "/usr/local/go", set("GOPATH", "/usr/local/go/")},
		{"GOPATH is elsewhere", "", 0, "", set("GOPATH", "/home/u/go")},
		{"modules off", "module-mode", model.SeverityWarn, "GO111MODULE=off", set("GO111MODULE", "off")},
		{"modules auto, and none", "module-mode", model.SeverityInfo, "GO111MODULE=auto", changes(set("GO111MODULE", "auto"), noModule)},
		{"modules auto, in one", "", 0, "", set("GO111MODULE", "auto")},
		{"a folder without module was named", "module-mode", model.SeverityInfo, "has a go.mod", changes(noModule, func(e *Evidence) { e.Environment.Asked = true })},
		{"no folder was named", "", 0, "", noModule},
		{"outside of the workspace", "module-mode", model.SeverityWarn, "does not use", func(e *Evidence) { e.Environment.Module.Workspace, e.Environment.Module.Outside = "/go.work", true }},
		{"no checksums", "checksums-off", model.SeverityWarn, "GOSUMDB=off", set("GOSUMDB", "off")},
		{"no checksums for anything", "checksums-off", model.SeverityWarn, "GOPRIVATE=*", set("GOPRIVATE", "*")},
		{"no variable", "checksums-off", model.SeverityInfo, "does nothing", set("GONOSUMCHECK", "1")},
		{"no checksums for one's own", "", 0, "", set("GOPRIVATE", "git.example.com/team,github.com/us/*")},
		{"GODEBUG in the environment", "godebug-env", model.SeverityInfo, "schedtrace=1000 costs nothing", func(e *Evidence) { e.Environment.GoDebug = "schedtrace=1000" }},
	}
}

func networkCases() []ruleCase {
	proxies := func(list ...Reached) func(*Evidence) {
		return func(e *Evidence) { e.Environment.Proxies = list }
	}
	db := func(r Reached) func(*Evidence) {
		return func(e *Evidence) { e.Environment.SumDB, e.Environment.SumDBByProxy = &r, "" }
	}
	return []ruleCase{
		{"a proxy refuses", "dead-goproxy", model.SeverityWarn, "a:1 refused", proxies(Reached{Host: "a:1", Outcome: Refused}, Reached{Host: "b:1", Outcome: Refused})},
		{"a proxy is silent", "dead-goproxy", model.SeverityWarn, "did not answer within 5s; a go command that needs a module which is not in the cache hangs", proxies(Reached{Host: "a:1", Outcome: Silent, Took: 5 * time.Second})},
		{"a proxy fails", "dead-goproxy", model.SeverityWarn, "status 502", proxies(Reached{Host: "a:1", Outcome: Answered, Status: 502})},
		{"a proxy before a bar", "dead-goproxy", model.SeverityWarn, "go on to the next", proxies(Reached{Host: "a:1", Outcome: Unreachable, Cause: "no route", FallsThrough: true})},
		{"a proxy asks for a password", "", 0, "", proxies(Reached{Host: "a:1", Outcome: Answered, Status: 401})},
		{"GOPROXY=off", "goproxy-off", model.SeverityInfo, "GOPROXY=off", set("GOPROXY", "off")},
		{"the database is silent", "dead-gosumdb", model.SeverityWarn, "did not answer", db(Reached{Host: "sum.golang.org:443", Outcome: Silent})},
		{"the database is silent, a proxy answers for it", "", 0, "", func(e *Evidence) { e.Environment.SumDB = &Reached{Outcome: Silent} }},
		{"the database answers", "", 0, "", db(Reached{Outcome: Answered, Status: 200})},
		{"nothing was asked", "", 0, "", func(e *Evidence) { e.Environment.Proxies, e.Environment.SumDBByProxy = nil, "" }},
	}
}

func TestDiagnose_findsNothingInWhatIsHealthy(t *testing.T) {
	if found := Diagnose(healthy()); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
	if found := Diagnose(&Evidence{}); len(found) > 0 {
		t.Errorf("without evidence: %+v", found)
	}
	nothingSeen := &Evidence{Environment: &Environment{}, Binary: &Binary{SymbolTable: true, DWARF: true}, Process: &Process{}}
	if found := Diagnose(nothingSeen); len(found) > 0 {
		t.Errorf("where nothing could be seen: %+v", found)
	}
}

func TestDiagnose_cases(t *testing.T) {
	provoked := make(map[string]bool)
	for _, c := range ruleCases() {
		t.Run(c.name, func(t *testing.T) {
			e := healthy()
			c.change(e)
			found := Diagnose(e)
			if c.rule == "" {
				if len(found) > 0 {
					t.Errorf("found %+v", found)
				}
				return
			}
			provoked[c.rule] = true
			for i := range found {
				if found[i].Rule != c.rule {
					continue
				}
				if found[i].Severity != c.severity || !strings.Contains(found[i].Evidence, c.evidence) || found[i].Remedy == "" {
					t.Errorf("found %+v, want severity %v and %q", found[i], c.severity, c.evidence)
				}
				return
			}
			t.Errorf("found %+v, want %s", found, c.rule)
		})
	}
	for _, r := range Rules() {
		if !provoked[r.Name] {
			t.Errorf("no case provokes %s", r.Name)
		}
	}
}

func TestDiagnose_putsTheWorstFirst(t *testing.T) {
	e := healthy()
	e.Environment.GoDebug = "gctrace=1"
	e.Process.Descriptors = 1024
	e.Process.Deleted = true
	var got []string
	for _, f := range Diagnose(e) {
		got = append(got, f.Severity.String()+" "+f.Rule)
	}
	want := []string{"error descriptors", "warn deleted-binary", "info godebug-env"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRules_areNamedDocumentedAndBounded(t *testing.T) {
	text, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	worst := make(map[string]model.Severity)
	for _, c := range ruleCases() {
		worst[c.rule] = max(worst[c.rule], c.severity)
	}
	names := make(map[string]bool)
	for _, r := range Rules() {
		if names[r.Name] || r.Summary == "" || r.Check == nil {
			t.Errorf("rule %q: twice, or without a summary or check", r.Name)
		}
		names[r.Name] = true
		if !strings.Contains(string(text), "\n## "+r.Name+"\n") {
			t.Errorf("docs/doctor.md has no section %q", r.Name)
		}
		if worst[r.Name] != r.Worst {
			t.Errorf("rule %s says that its worst is %v, its cases say %v", r.Name, r.Worst, worst[r.Name])
		}
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok && name != "JSON" && !names[name] {
			t.Errorf("docs/doctor.md explains %q, which is no rule", name)
		}
	}
}

// The rules that are asked in package startup must keep their names there.
func TestStartupRules_areThere(t *testing.T) {
	var names []string
	for _, r := range startup.Rules() {
		names = append(names, r.Name)
	}
	for _, name := range []string{"gomaxprocs-above-quota", "godebug-set"} {
		if !slices.Contains(names, name) {
			t.Errorf("package startup has no rule %s", name)
		}
	}
}
