package propose

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// baseline is an hour of a service whose requests take 30 ms, and a share of them
// slow.
func baseline(total, bad, slow uint64) *Baseline {
	from := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	b := &Baseline{Service: "shop", Signal: objective.SignalHTTP, From: from, To: from.Add(time.Hour), Total: total, Bad: bad}
	b.Durations.AddN(30*time.Millisecond, total-slow)
	b.Durations.AddN(700*time.Millisecond, slow)
	return b
}

func TestFor(t *testing.T) {
	commands := baseline(5000, 3, 0)
	commands.Signal = objective.SignalExec
	short := baseline(5000, 0, 0)
	short.To = short.From.Add(time.Minute)
	pattern := baseline(5000, 0, 0)
	pattern.Service = "shop*"
	odd := baseline(100_000, 0, 0)
	odd.Service = "ops/shop 2"
	for _, test := range []struct {
		name string
		from *Baseline
		want []string
	}{
		{"no failure of a hundred thousand", baseline(100_000, 0, 0), []string{"shop-availability 0.9999", "shop-latency 0.99 50ms"}},
		{"no failure of a thousand proves less", baseline(1000, 0, 0), []string{"shop-availability 0.995", "shop-latency 0.99 50ms"}},
		{"a few of a thousand", baseline(1000, 8, 0), []string{"shop-availability 0.95", "shop-latency 0.99 50ms"}},
		{"it fails more than it may at all", baseline(10_000, 2000, 0), []string{"shop-latency 0.99 50ms"}},
		{"one in fifty is slow", baseline(10_000, 0, 200), []string{"shop-availability 0.9995", "shop-latency 0.99 1s"}},
		{"too few", baseline(999, 0, 0), nil},
		{"too short", short, nil},
		{"commands have no promise of time", commands, []string{"shop-commands 0.995"}},
		{"a name that would select others", pattern, nil},
		{"a name that is none of an objective", odd, []string{"ops-shop-2-availability 0.9999", "ops-shop-2-latency 0.99 50ms"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, s := range For(test.from, Options{}) {
				text := s.Name + " " + trimmed(s.Target)
				if s.Indicator.Threshold > 0 {
					text += " " + s.Indicator.Threshold.String()
				}
				got = append(got, text)
				if err := objective.Errors(s.Validate()); err != nil || !s.Proposal {
					t.Errorf("%s: %v, a proposal: %v", s.Name, err, s.Proposal)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func trimmed(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 6, 64), "0"), ".")
}

// TestProposalsAreKept holds what is proposed against the events that it was made
// from: each would have been kept.
func TestProposalsAreKept(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		total := 1000 + random.Uint64N(100_000)
		b := baseline(total, random.Uint64N(1+total/(1+random.Uint64N(1000))), 0)
		b.Durations.Reset()
		var all []time.Duration
		scale := float64(time.Millisecond) * (1 + 1000*random.Float64())
		for range total {
			d := time.Duration(random.ExpFloat64() * scale)
			all = append(all, d)
			b.Durations.Add(d)
		}
		slices.Sort(all)
		for _, s := range For(b, Options{}) {
			bad := b.Bad
			if s.Indicator.Threshold > 0 {
				i, _ := slices.BinarySearch(all, s.Indicator.Threshold+1)
				bad = total - uint64(i)
			}
			if _, high := sli.ClopperPearson(bad, total, confidence); high > 1-s.Target {
				t.Errorf("%s %v: %d of %d are bad", s.Name, s.Target, bad, total)
			}
		}
	}
}

func TestThresholdsThatMayNotBeUsedAreNot(t *testing.T) {
	list := For(baseline(100_000, 0, 0), Options{Threshold: func(d time.Duration) bool { return d == 250*time.Millisecond }})
	if len(list) != 2 || list[1].Indicator.Threshold != 250*time.Millisecond {
		t.Errorf("%+v", list)
	}
}

func TestCovers(t *testing.T) {
	list := For(baseline(100_000, 0, 0), Options{})
	availability, latency := list[0], list[1]
	mine := availability
	mine.Name = "mine"
	all := availability
	all.Indicator.Select.Service = nil
	other := availability
	other.Indicator.Select.Service = []string{"ware*"}
	family := availability
	family.Indicator.Select.Service = []string{"x", "sh*"}
	commands := availability
	commands.Indicator.Signal = objective.SignalExec
	for name, test := range map[string]struct {
		s    objective.SLO
		want bool
	}{
		"the same under another name": {mine, true}, "of every service": {all, true}, "of others": {other, false},
		"of some": {family, true}, "of another signal": {commands, false}, "of time": {latency, false},
	} {
		if got := Covers(&test.s, &availability); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFolder(t *testing.T) {
	f := Folder{Path: filepath.Join(t.TempDir(), "slo")}
	if all, problems := f.Load(); len(all) != 0 || len(problems) != 0 {
		t.Errorf("before anything was proposed: %v, %v", all, problems)
	}
	proposed := For(baseline(100_000, 0, 0), Options{})
	for i := range proposed {
		if added, err := f.Add(&proposed[i]); err != nil || !added {
			t.Fatalf("%v, %v", added, err)
		}
		if added, err := f.Add(&proposed[i]); err != nil || added {
			t.Errorf("added twice: %v, %v", added, err)
		}
	}
	all, problems := f.Load()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i := range all {
		all[i].Origin = objective.Origin{}
	}
	if diff := cmp.Diff(proposed, all, cmp.AllowUnexported(sli.Window{})); diff != "" {
		t.Error(diff)
	}

	if _, err := f.Accept("shop-availability"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Accept("shop-availability"); !errors.Is(err, ErrUnknown) {
		t.Errorf("accepted twice: %v", err)
	}
	if _, err := f.Dismiss("shop-latency"); err != nil {
		t.Fatal(err)
	}
	if added, err := f.Add(&proposed[1]); err != nil || added {
		t.Errorf("a dismissed one comes back: %v, %v", added, err)
	}
	all, _ = f.Load()
	if len(all) != 1 || all[0].Name != "shop-availability" || all[0].Proposal {
		t.Errorf("%+v", all)
	}
	for _, name := range []string{"", "shop", "../slo/shop-availability", "shop-latency"} {
		if _, err := f.Accept(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("accept %q: %v", name, err)
		}
	}
}

// TestFileThatIsWrong has others stay as they are.
func TestFileThatIsWrong(t *testing.T) {
	f := Folder{Path: t.TempDir()}
	proposed := For(baseline(100_000, 0, 0), Options{})
	if _, err := f.Add(&proposed[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Path, "wrong.yaml"), []byte("apiVersion: openslo/v1\nkind: SLO\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, problems := f.Load()
	if len(all) != 1 || len(problems) == 0 || !strings.Contains(problems.Error(), "wrong.yaml") {
		t.Errorf("%v, %v", all, problems)
	}
}
