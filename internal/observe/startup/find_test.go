package startup

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

var update = flag.Bool("update", false, "write what is found to testdata")

const scriptEnd = "---- findings\n"

// TestFind reads scripts of events, and the findings that follow from them.
// `go test -update` rewrites the latter.
func TestFind(t *testing.T) {
	files, err := filepath.Glob("testdata/find/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	covered := make(map[string]bool)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			events, want, _ := strings.Cut(string(text), scriptEnd)
			got := ""
			for _, f := range Find(parseStart(t, events)) {
				covered[f.Rule] = true
				got += fmt.Sprintf("%s %s: %s\n", f.Severity, f.Rule, f.Evidence)
				if f.Remedy == "" || strings.Contains(f.Evidence, "%!") {
					t.Errorf("%s: evidence %q, remedy %q", f.Rule, f.Evidence, f.Remedy)
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(events+scriptEnd+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("findings:\n%swant:\n%s", got, want)
			}
		})
	}
	for _, rule := range Rules() {
		if !covered[rule.Name] {
			t.Errorf("no script has a finding of %s", rule.Name)
		}
		if rule.Summary == "" {
			t.Errorf("%s has no summary", rule.Name)
		}
	}
	for rule := range covered {
		if !slices.ContainsFunc(Rules(), func(r model.Rule) bool { return r.Name == rule }) {
			t.Errorf("%s is not among the rules", rule)
		}
	}
}

// base is a start that nothing is wrong with: 10 ms to main.main, listening at
// 12 ms.
const base = `
start took=12ms go=go1.26.0 exe=/srv/shop args=shop ended=first_listen
phase kernel_exec -300us 300us
phase loader 0s 1ms
phase runtime_entry 1ms 1ms
phase schedinit 2ms 2ms
phase runtime_main 4ms 1ms
phase package_inits 5ms 5ms
package a 5ms 500us
phase main 10ms 2ms
phase first_listen 12ms 0s address=127.0.0.1:80
`

// TestFindThresholds has what lies just within what is normal and just beyond.
func TestFindThresholds(t *testing.T) {
	opens := func(n int) string {
		return strings.Repeat("call openat 5100us 10us operand=/etc/x\n", n)
	}
	for _, test := range []struct {
		name, change string // lines that replace those of the same kind and name
		want         string // rules
	}{
		{"a normal start", "", ""},
		{"package just below 5 ms of a long start", "phase package_inits 5ms 45ms\npackage a 5ms 4999us\nphase main 50ms 2ms", ""},
		{"package of 5 ms of a long start", "phase package_inits 5ms 45ms\npackage a 5ms 5ms\nphase main 50ms 2ms", ruleSlowInit},
		{"package just below a fifth", "package a 5ms 1999us", ""},
		{"package of a fifth", "package a 5ms 2ms", ruleSlowInit},
		{"package of a fifth, too short to matter", "phase package_inits 1ms 1ms\npackage a 1ms 950us\nphase main 2ms 2ms", ""},
		{"package of 5 ms, ready and not running for half", "phase package_inits 5ms 45ms\npackage a 5ms 9ms delay=4500us\nphase main 50ms 2ms", ""},
		{"package of 5 ms CPU time while others of its group were throttled", "phase package_inits 5ms 45ms cpu=10ms off=35ms throttled=90ms\npackage a 5ms 20ms cpu=5ms off=15ms throttled=40ms\nphase main 50ms 2ms", ruleThrottled + " " + ruleSlowInit},
		{"package of less CPU time while throttled", "phase package_inits 5ms 45ms cpu=10ms off=35ms throttled=90ms\npackage a 5ms 20ms cpu=4900us off=15100us throttled=40ms\nphase main 50ms 2ms", ruleThrottled},
		{"20 files", "package a 5ms 500us\n" + opens(20), ""},
		{"21 files", "package a 5ms 500us\n" + opens(21), ruleFiles},
		{"30 % of the time not running", "phase package_inits 5ms 5ms delay=3ms", ""},
		{"more than 30 %", "phase package_inits 5ms 5ms delay=3100us", ruleStarved},
		{"5 % throttled", "phase package_inits 5ms 5ms delay=500us throttled=500us\nphase main 10ms 2ms", ""},
		{"more than 5 % throttled", "phase package_inits 5ms 5ms delay=600us throttled=600us", ruleThrottled},
		{"throttled time is not starved time", "phase package_inits 5ms 5ms delay=4ms throttled=4ms", ruleThrottled},
		{"others of its group are throttled while it runs", "phase package_inits 5ms 5ms throttled=4ms\nphase main 10ms 2ms throttled=9ms", ""},
		{"throttled on several CPUs at once", "phase package_inits 5ms 5ms delay=4ms throttled=40ms", ruleThrottled},
		{"throttled in main, before it listens", "phase main 10ms 2ms cpu=1ms off=1ms throttled=2ms", ruleThrottled},
		{"loader of 5 ms CPU time while throttled", "phase loader -14ms 15ms cpu=5100us off=9900us throttled=30ms\nphase package_inits 5ms 5ms cpu=2ms off=3ms throttled=5ms", ruleLoader + " " + ruleThrottled},
		{"loader of 5 ms", "phase loader -4ms 5ms", ""},
		{"loader longer", "phase loader -4001us 5001us", ruleLoader},
		{"loader that reads from the disk, quickly", "phase loader 0s 999us major=3", ""},
		{"loader that reads from the disk", "phase loader 0s 1ms major=3", ruleLoader},
		{"quota of two CPUs, GOMAXPROCS=2", "start took=12ms quota=200 gomaxprocs=2", ""},
		{"quota below two CPUs, GOMAXPROCS=3", "start took=12ms quota=1500 gomaxprocs=3", ruleQuota},
		{"quota of 2.5 CPUs, GOMAXPROCS=3", "start took=12ms quota=2500 gomaxprocs=3", ""},
		{"no quota, GOMAXPROCS=300", "start took=12ms gomaxprocs=300", ""},
		{"1.25 follows the quota", "start took=12ms quota=2000 cpus=64 go=go1.25.0", ""},
		{"1.24 does not", "start took=12ms quota=2000 cpus=64 go=go1.24.9", ruleQuota},
		{"1.24 with as many CPUs", "start took=12ms quota=2000 cpus=2 go=go1.24.9", ""},
		{"an experiment of 1.24", "start took=12ms quota=2000 cpus=64 go=go1.24.9␣X:nocoverageredesign", ruleQuota},
		{"an unknown version", "start took=12ms quota=2000 cpus=64 go=devel", ""},
		{"1.26 told not to", "start took=12ms quota=2000 cpus=64 go=go1.26.0 built=containermaxprocs=0", ruleQuota},
		{"1.26 told not to and to", "start took=12ms quota=2000 cpus=64 go=go1.26.0 built=containermaxprocs=0 godebug=containermaxprocs=1", ruleGoDebug},
		{"nsswitch.conf by Go itself", "phase main 10ms 2ms\ncall openat 11ms 10us operand=/etc/nsswitch.conf result=3", ""},
		{"nsswitch.conf with the C library", "phase loader 0s 1ms\ncall openat 100us 10us operand=/lib/libc.so.6 result=3\nphase main 10ms 2ms\ncall openat 11ms 10us operand=/etc/nsswitch.conf result=3", ruleNSS},
		{"a module of the C library", "phase main 10ms 2ms\ncall openat 11ms 10us operand=/lib/libnss_sss.so.2 result=3", ruleNSS},
		{"a look-up when it listens", "phase main 10ms 2ms\ncall openat 12ms 10us operand=/lib/libnss_sss.so.2 result=3", ""},
		{"nscd from an init is no network", "package a 5ms 500us\ncall connect 5ms 1us operand=unix:/var/run/nscd/socket result=-2", ruleNSS},
		{"exit status 0 before main.main", "start took=9ms exit=0 ended=exit\nwithout main\nwithout first_listen", ""},
		{"exit status 1 before main.main", "start took=9ms exit=1 ended=exit\nwithout main\nwithout first_listen", ruleDied},
		{"interrupted before main.main", "start took=9ms signal=2 ended=exit\nwithout main\nwithout first_listen", ""},
		{"killed before main.main", "start took=9ms signal=9 ended=exit\nwithout main\nwithout first_listen", ruleDied},
		{"main.main lost", "start took=9ms exit=1 ended=exit lost=1\nwithout main\nwithout first_listen", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rules []string
			for _, f := range Find(parseStart(t, changed(base, test.change))) {
				rules = append(rules, f.Rule)
			}
			if got := strings.Join(rules, " "); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// changed replaces lines of a script by those of the same kind and name. Calls go
// with the line above them.
func changed(text, change string) string {
	for line := range strings.Lines(change) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		match := func(l string) bool {
			w := strings.Fields(l)
			switch {
			case len(w) == 0 || w[0] == "call":
				return false
			case words[0] == "start":
				return w[0] == "start"
			case words[0] == "without":
				return w[0] == "phase" && w[1] == words[1]
			}
			return words[0] != "call" && len(w) > 1 && w[0] == words[0] && w[1] == words[1]
		}
		lines := slices.DeleteFunc(strings.Split(text, "\n"), match)
		if words[0] != "without" {
			lines = append(lines, line)
		}
		text = strings.Join(lines, "\n")
	}
	return text
}

func TestFind_ofNothingSeen(t *testing.T) {
	if got := Find(&Start{}); len(got) != 0 {
		t.Errorf("found %v in nothing", got)
	}
	// A start that was attached to later: no way to main.main, and no share of it.
	s := parseStart(t, "start took=5s\nphase main 4s 1s delay=900ms\nphase first_listen 5s 0s")
	if got := Find(s); len(got) != 0 {
		t.Errorf("found %v where only main was seen", got)
	}
}

func TestJudge_findsInEventsWhatFindDoesInTheirStart(t *testing.T) {
	text := changed(base, "package a 5ms 5ms")
	events := parseScript(t, text)
	if got, want := Judge(events), Find(parseStart(t, text)); len(want) != 1 || !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	events = slices.DeleteFunc(events, func(e *model.Event) bool { return e.Get(KeyKind).Str() == KindStart })
	if got := Judge(events); got != nil {
		t.Errorf("found %v without a start", got)
	}
}

func TestToMain(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Usage
		reached    bool
	}{
		{"phases one after the other", "phase loader 0s 1ms delay=1us\nphase schedinit 1ms 2ms delay=2us\nphase main 3ms 9ms delay=4us", Usage{Duration: 3 * time.Millisecond, RunDelay: 3 * time.Microsecond}, true},
		{"parts count once", "phase schedinit 0s 3ms delay=2us\nphase gcinit 1ms 1ms delay=1us within=schedinit\nphase main 3ms 9ms", Usage{Duration: 3 * time.Millisecond, RunDelay: 2 * time.Microsecond}, true},
		{"packages count once", "phase package_inits 0s 3ms delay=2us\npackage a 1ms 1ms delay=1us\nphase main 3ms 9ms", Usage{Duration: 3 * time.Millisecond, RunDelay: 2 * time.Microsecond}, true},
		{"packages without their phase", "package a 0s 1ms delay=1us\npackage b 1ms 1ms delay=2us\nphase main 2ms 9ms", Usage{Duration: 2 * time.Millisecond, RunDelay: 3 * time.Microsecond}, true},
		{"gaps count as time", "phase loader 0s 1ms\nphase main 5ms 9ms", Usage{Duration: 5 * time.Millisecond}, true},
		{"the half that is later", "phase loader 0s 4ms\nphase schedinit 2ms 4ms delay=2us\nphase main 6ms 9ms", Usage{Duration: 6 * time.Millisecond, RunDelay: time.Microsecond}, true},
		{"without main.main", "phase loader 0s 1ms delay=1us\nphase schedinit 1ms 2ms", Usage{Duration: 3 * time.Millisecond, RunDelay: time.Microsecond}, false},
		{"main.main alone", "phase main 5ms 9ms delay=1us", Usage{}, false},
		{"the kernel's exec is before", "phase kernel_exec -1ms 1ms delay=1ms\nphase loader 0s 1ms\nphase main 1ms 9ms", Usage{Duration: time.Millisecond}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, reached := parseStart(t, "start took=20ms\n"+test.text).ToMain()
			if u.Duration != test.want.Duration || u.RunDelay != test.want.RunDelay || reached != test.reached {
				t.Errorf("%s with %s run delay, reached %t; want %s with %s, %t", u.Duration, u.RunDelay, reached, test.want.Duration, test.want.RunDelay, test.reached)
			}
		})
	}
}
