package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func TestDoctorJudgesATraceOfAProcess(t *testing.T) {
	service, _ := tracedService(t, "-busy", "1")
	for _, test := range []struct {
		name   string
		trace  time.Duration
		traced bool
	}{
		{"with a trace", time.Second, true},
		{"without one", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			env := Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Width: func() int { return 0 }, Height: func() int { return 0 }}
			o := doctorOptions{json: true, timeout: time.Second, interval: 10 * time.Millisecond, trace: test.trace}
			if err := runDoctor(t.Context(), env, []string{strconv.Itoa(service.PID)}, o); err != nil && exitCode(err) != exitBad {
				t.Fatal(err)
			}
			var v v1.Doctor
			if err := json.Unmarshal(out.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(v.Rules, "p-saturation"); got != test.traced {
				t.Errorf("judged by the rules of traces: got %v, want %v", got, test.traced)
			}
			for _, what := range []string{"execution trace", "how many goroutines"} {
				unseen := slices.ContainsFunc(v.Unseen, func(u v1.DoctorUnseen) bool { return strings.HasPrefix(u.What, what) })
				if unseen == test.traced {
					t.Errorf("%s named as not seen: got %v; %+v", what, unseen, v.Unseen)
				}
			}
		})
	}
}

func TestDoctorSaysWhyThereIsNoTrace(t *testing.T) {
	service, address := tracedService(t)
	var out, errs bytes.Buffer
	env := Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Width: func() int { return 0 }, Height: func() int { return 0 }}
	o := doctorOptions{timeout: time.Second, interval: 10 * time.Millisecond, trace: time.Second, pprof: "http://" + address + "/nothing-here"}
	if err := runDoctor(t.Context(), env, []string{strconv.Itoa(service.PID)}, o); err != nil && exitCode(err) != exitBad {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "execution trace (") || !strings.Contains(text, "nothing-here") {
		t.Errorf("got %s", text)
	}
}
