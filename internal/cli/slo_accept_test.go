package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/propose"
)

func TestSLOAcceptAndDismiss(t *testing.T) {
	dir := t.TempDir()
	folder := proposeFolder(dir)
	b := propose.Baseline{Service: "shop", Signal: objective.SignalHTTP, From: time.Unix(0, 0), To: time.Unix(3600, 0), Total: 5000}
	b.Durations.AddN(time.Millisecond/2, 5000)
	proposed := propose.For(&b, propose.Options{})
	for i := range proposed {
		if _, err := folder.Add(&proposed[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
		left           []string
	}{
		{"no name", []string{"accept"}, 2, "", "error: slo accept: a name is missing\nhint: goshawk slo status lists the proposals\n", []string{"shop-availability (proposed)", "shop-latency (proposed)"}},
		{
			"one that is not there: none is accepted", []string{"accept", "--data", dir, "shop-availability", "shop-speed"}, 2, "",
			"error: slo accept: shop-speed: no proposal of this name in " + dir + "/slo\nhint: there are shop-availability, shop-latency\n", []string{"shop-availability (proposed)", "shop-latency (proposed)"},
		},
		{
			"no folder", []string{"dismiss", "--data", dir + "/x", "shop-availability"}, 2, "",
			"error: slo dismiss: shop-availability: no proposal of this name in " + dir + "/x/slo\nhint: nothing is proposed there: say with --data which folder goshawk up was given\n",
			[]string{"shop-availability (proposed)", "shop-latency (proposed)"},
		},
		{"one", []string{"accept", "--data", dir, "shop-availability"}, 0, "accepted shop-availability: " + dir + "/slo/shop-availability.yaml\n", "", []string{"shop-availability", "shop-latency (proposed)"}},
		{"the other", []string{"dismiss", "--data", dir, "shop-latency"}, 0, "dismissed shop-latency: " + dir + "/slo/shop-latency.dismissed\n", "", []string{"shop-availability"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := goshawk(t.Context(), append([]string{"slo"}, test.args...)...)
			if code != test.code || stdout != test.stdout || stderr != test.stderr {
				t.Errorf("exit %d\n%s%s", code, stdout, stderr)
			}
			all, _ := folder.Load()
			if diff := cmp.Diff(test.left, names(all)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
