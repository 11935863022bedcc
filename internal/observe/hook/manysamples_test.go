package hook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// manyFunctions is a program of many functions, all of which are called again
// and again from the first line of its input on.
func manyFunctions(n int) testutil.Files {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n\t\"bufio\"\n\t\"fmt\"\n\t\"os\"\n)\n\nvar sink int\n")
	for i := range n {
		fmt.Fprintf(&b, "\n//go:noinline\nfunc many%d(n int) { sink += n }\n", i)
	}
	b.WriteString("\nfunc main() {\n\tfmt.Println(\"ready\")\n\tbufio.NewReader(os.Stdin).ReadString('\\n')\n\tfmt.Println(\"done\")\n\tfor {\n")
	for i := range n {
		fmt.Fprintf(&b, "\t\tmany%d(%d)\n", i, i)
	}
	b.WriteString("\t}\n}\n")
	return testutil.Files{"main.go": b.String()}
}

func TestRunSamplesEveryFunctionOfAPattern(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	const functions = 600
	v := victim{testutil.StartTarget(t, testutil.BuildGo(t, manyFunctions(functions), testutil.BuildOptions{}))}
	v.WaitLine("ready")
	seen, all := map[string]bool{}, make(chan struct{})
	m := measure(t, v, Options{Functions: []string{"main.many*"}, Args: true}, RunOptions{Sample: func(s *Sample) {
		if seen[s.Func] = true; len(seen) == functions {
			select {
			case <-all:
			default:
				close(all)
			}
		}
	}})
	v.do(t, "go")
	select {
	case <-all:
	case <-time.After(time.Minute):
	}
	report := m.end()
	if len(seen) != functions || len(report.Functions) != functions {
		t.Errorf("calls of %d functions were sampled, want all of %d", len(seen), functions)
	}
	if report.SampleInterval != 6*time.Second {
		t.Errorf("a function is sampled each %v, want 6s", report.SampleInterval)
	}
}

// TestRunLeavesRoomForSamples samples as many calls as it may: not so many that
// the ring is full before it is emptied, which would leave out the functions that
// are called last.
func TestRunLeavesRoomForSamples(t *testing.T) {
	// What the programs take within a turn: in any row of more samples than two
	// turns have, a whole turn passes.
	const most, enough = 64, 400
	v := startVictim(t, testutil.BuildOptions{})
	var times []time.Time
	full := make(chan struct{})
	m := measure(t, v, Options{Functions: []string{"main.leaf"}, Args: true, interval: 1}, RunOptions{Sample: func(s *Sample) {
		if times = append(times, s.Time); len(times) == enough {
			close(full)
		}
	}})
	deadline := time.After(time.Minute)
	for waiting := true; waiting; {
		v.do(t, "leaf 1000")
		select {
		case <-full:
			waiting = false
		case <-deadline:
			waiting = false
		default:
		}
	}
	m.end()
	slices.SortFunc(times, time.Time.Compare)
	if len(times) < enough {
		t.Errorf("%d samples, want %d at least", len(times), enough)
	}
	for i := range max(len(times)-2*most, 0) {
		if took := times[i+2*most].Sub(times[i]); took < guardEvery {
			t.Fatalf("samples %d to %d were taken within %v, want a turn of %v at least", i, i+2*most, took, guardEvery)
		}
	}
}
