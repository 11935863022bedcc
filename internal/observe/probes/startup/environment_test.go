package startup

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestEnvironmentOfAService(t *testing.T) {
	taskset := testutil.RequireTool(t, "taskset", "util-linux")
	path := victim(t)
	o := observe(t, false, path)
	cmd := exec.Command(taskset, "-c", "0", path, "serve")
	cmd.Env = append(os.Environ(), "GODEBUG=madvdontneed=1", "GOMAXPROCS=5", "GOPROXY=https://secret@example.org/x")
	v := testutil.StartTargetCmd(t, cmd)
	v.WaitLine("")
	s := o.next()
	if f := s.Facts; f.GoDebug != "madvdontneed=1" || f.GoMaxProcs != 5 || f.CPUs != 1 || f.GoProxy != nil {
		t.Errorf("facts = %+v", f)
	}
}

// TestEnvironmentOfAnotherProgram leaves out what may be of the program that a
// process has executed since.
func TestEnvironmentOfAnotherProgram(t *testing.T) {
	for ended, want := range map[startup.Ended]string{startup.EndedListen: "a=1", startup.EndedExit: "a=1", startup.EndedExec: ""} {
		clock := new(platform.BootClock)
		d := &decoder{
			host: probe.Host{
				Processes: target.NewTable(target.TableOptions{}), Clock: clock, NewIDs: newIDs, Object: new(ebpf.Collection),
				Attached: func(uint32) (probe.Attached, bool) { return probe.Attached{}, false },
			},
			schema: Schema(), starts: make(map[uint32]*start), single: true,
		}
		nobody := model.ProcessID{PID: 1<<31 - 1}
		s := &start{process: &model.Process{ID: nobody}, environment: environment{goDebug: "a=1"}}
		d.end(s, new(bpfStartupRecord), ended, func(e *model.Event) {
			if got := e.Get(startup.KeyGoDebug).Str(); got != want {
				t.Errorf("GODEBUG of a start that ended by %s = %q, want %q", ended, got, want)
			}
		})
	}
}

func TestEnvironmentIsParsed(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       environment
	}{
		{"nothing", "", environment{}},
		{"the first counts", "GODEBUG=a=1\x00GODEBUG=b=1\x00GOMAXPROCS=2\x00GOMAXPROCS=3\x00", environment{goDebug: "a=1", procs: 2}},
		{"an empty one that is the first counts", "GODEBUG=\x00GODEBUG=b=1\x00", environment{}},
		{"no number of threads", "GOMAXPROCS=many\x00", environment{}},
		{"a negative one", "GOMAXPROCS=-4\x00", environment{}},
		{"one that is too large", "GOMAXPROCS=99999999999\x00", environment{}},
		{"what is cut off is left out", "X=1\x00GODEBUG=gctrace", environment{}},
		{"hosts without who asks", "GOPROXY=https://me:pass@a.example:8081/x,direct|http://b.example\x00", environment{proxies: []string{"a.example:8081", "b.example:80"}}},
		{"no hosts", "GOPROXY=off\x00", environment{}},
		{"names that only begin so", "GODEBUGGER=x\x00GOMAXPROC=3\x00", environment{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got environment
			got.parse([]byte(tt.text))
			if got.goDebug != tt.want.goDebug || got.procs != tt.want.procs || !slices.Equal(got.proxies, tt.want.proxies) {
				t.Errorf("environment = %+v, want %+v", got, tt.want)
			}
			v := make([]model.Value, fieldCount)
			v[fieldExe] = model.StringValue("/usr/local/go/bin/go")
			got.describe(v)
			if v[fieldGoMaxProcs].IsSet() != (got.procs > 0) || v[fieldGoProxy].IsSet() != (len(got.proxies) > 0) || v[fieldCPUs].IsSet() {
				t.Errorf("fields of %+v: %v", got, v)
			}
		})
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add([]byte("GODEBUG=a=1\x00GOMAXPROCS=2\x00GOPROXY=https://a@b/c,|d://\x00PATH"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e environment
		e.parse(text)
		if e.procs < 0 || strings.Contains(e.goDebug, "\x00") || len(e.goDebug) > len(text) {
			t.Errorf("environment of %q = %+v", text, e)
		}
	})
}
