package verdict

import (
	"os"
	"strconv"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// number reads a number that an environment variable may set.
func number(t *testing.T, variable string, standard int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}

// TestEmbedded has the agent's own judge, and the rules in its engine, hear all
// histories.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	services := number(t, "GOSHAWK_VERDICT_SERIES", 300)
	seed := number(t, "GOSHAWK_VERDICT_SEED", 1)
	var judged, ruled [kinds]figures
	for _, a := range newAgents(uint64(seed), 0, services) {
		if a.kind == late {
			continue // to itself no agent is
		}
		hear(t, a, 3, &judged[a.kind], &ruled[a.kind])
		if t.Failed() {
			t.FailNow()
		}
	}
	report(t, "the agent's judge", &judged)
	report(t, "the embedded rules", &ruled)
	for _, f := range []figures{judged[steady], ruled[steady]} {
		if f.certain != f.states {
			t.Errorf("of readings at each evaluation %d of %d states are certain", f.certain, f.states)
		}
	}
}

// TestExternal has a server hear all histories, as they happen.
func TestExternal(t *testing.T) {
	t.Parallel()
	program := testutil.RequireTool(t, "prometheus", "prometheus")
	services := number(t, "GOSHAWK_VERDICT_SERIES", 300)
	seed := number(t, "GOSHAWK_VERDICT_SEED", 1)
	// A server evaluates so many each second.
	const together = 600
	var all [kinds]figures
	refused := 0
	for first := 0; first < services; first += together {
		r := &trial{t: t, agents: newAgents(uint64(seed), first, min(together, services-first)), all: &all}
		r.run(program)
		refused += r.refused
		if t.Failed() {
			t.FailNow()
		}
	}
	report(t, "the external rules", &all)
	t.Logf("%d samples were refused", refused)
}
