package exec

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const scriptEnd = "----\n"

// TestDecode runs each file of testdata/decode: records as text, and what
// they decode to. `go test -update` rewrites the latter.
func TestDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(text), scriptEnd)
			got := input + scriptEnd + runScript(t, input)
			testutil.Golden(t, filepath.Join("decode", filepath.Base(file)), []byte(got))
		})
	}
}

// runScript decodes what the lines of a script say and returns the events as
// text.
func runScript(t *testing.T, text string) string {
	s := newScript(t)
	var lines []line
	for one := range strings.Lines(text) {
		if one = strings.TrimSpace(one); one != "" && one[0] != '#' {
			lines = append(lines, parseLine(t, one))
		}
	}
	// What /proc showed is known before the first record is read.
	for _, l := range lines {
		if l.verb == "older" {
			s.addOlder(l)
		}
	}
	host, d := scriptDecoder(t, s)
	out := &transcript{clock: host.Clock}
	for _, l := range lines {
		switch l.verb {
		case "older":
		case "begun":
			d.begun = uint64(l.time("at", 0))
		case "proc":
			s.setProc(l)
		case "tick":
			s.now = l.time("at", s.now+l.duration("after", 0))
			d.Tick(s.now, l.num("lost", 0), out.add)
		case "flush":
			d.Flush(out.add)
		case "state":
			var pids []int
			for k := range d.processes {
				pids = append(pids, int(k.pid))
			}
			slices.Sort(pids)
			fmt.Fprintf(&out.text, "state: processes=%d older=%d\n", pids, len(d.older))
		default:
			if err := d.Decode(s.record(l), out.add); err != nil {
				fmt.Fprintf(&out.text, "error: %v\n", err)
			}
		}
	}
	return out.text.String()
}

// scriptDecoder returns a decoder that sees the host of a script.
func scriptDecoder(t testing.TB, s *script) (probe.Host, *decoder) {
	executables := target.NewExecutables(0)
	for inode, program := range map[uint64]string{goProgram: testBinary(t), otherProgram: "/dev/null"} {
		_, err := executables.Load(kernelFile(bpfFileId{Inode: inode}), "", func() (*os.File, error) { return os.Open(program) })
		if err != nil {
			t.Fatal(err)
		}
	}
	cgroups, err := target.NewCgroups(target.CgroupsOptions{Root: s.root})
	if err != nil {
		t.Fatal(err)
	}
	clock := new(platform.BootClock)
	ids := byte(0)
	host := probe.Host{
		Processes: target.NewTable(target.TableOptions{
			Reader:  target.NewReader(target.ReaderOptions{Root: s.root, Executables: executables, Clock: clock}),
			Cgroups: cgroups,
		}),
		Older:   s.older,
		Cgroups: cgroups,
		Symbols: symbol.NewCache(symbol.Options{}),
		Clock:   clock,
		NewIDs: func() (model.TraceID, model.SpanID) {
			ids++
			return model.TraceID{15: ids}, model.SpanID{7: ids}
		},
		Log: slog.New(slog.DiscardHandler),
	}
	d := newDecoder(host).(*decoder)
	d.begun = 0
	d.pageSize = 4096
	d.sites.programs[bpfFileId{Inode: goProgram}] = &program{
		stack: func(pcs []uint64, _ uint64) []model.Frame {
			var frames []model.Frame
			for _, pc := range pcs {
				frames = append(frames, s.frames[pc-1])
			}
			return frames
		},
		standard: func(name string) bool { return !strings.HasPrefix(name, "main.") },
		goid:     fakeGoid, errno: fakeErrno, errnoOK: true,
	}
	d.sites.programs[bpfFileId{Inode: otherProgram}] = &program{}
	return host, d
}

// testBinary returns the path of this test's executable, a Go program.
func testBinary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// transcript writes events as text.
type transcript struct {
	clock *platform.BootClock
	text  strings.Builder
}

// boot returns a wall time on the boot clock.
func (s *transcript) boot(at time.Time) time.Duration { return at.Sub(s.clock.Wall(uint64(epoch))) }

func (s *transcript) add(e *model.Event) {
	phase := map[model.Phase]string{model.PhaseEnd: "end", model.PhaseStart: "start", model.PhaseUnfinished: "unfinished"}[e.Phase]
	fmt.Fprintf(&s.text, "%s pid=%d at=%s", phase, e.PID, s.boot(e.Time))
	if e.Duration >= 0 {
		fmt.Fprintf(&s.text, " took=%s", e.Duration)
	}
	for _, pair := range [][2]string{{"service", e.Service}, {"container", e.ContainerID}, {"pod", e.PodUID}} {
		if pair[1] != "" {
			fmt.Fprintf(&s.text, " %s=%s", pair[0], pair[1])
		}
	}
	if e.GoroutineID != 0 {
		fmt.Fprintf(&s.text, " goroutine=%d", e.GoroutineID)
	}
	fmt.Fprintf(&s.text, " trace=%s span=%s", short(e.TraceID[:]), short(e.SpanID[:]))
	if e.ParentSpanID != (model.SpanID{}) {
		fmt.Fprintf(&s.text, " parent=%s", short(e.ParentSpanID[:]))
	}
	s.text.WriteByte('\n')
	if e.Phase == model.PhaseStart {
		args := slices.Collect(e.Get("process.command_args").Strings())
		fmt.Fprintf(&s.text, "  %s %q\n", s.value(model.KindString, e.Get("process.executable.path")), args)
		return
	}
	for n, f := range e.Schema.Fields {
		skip := n == fieldPID || n == fieldName && e.Values[fieldPath].IsSet()
		if e.Values[n].IsSet() && !skip {
			fmt.Fprintf(&s.text, "  %s: %s\n", f.Key, s.value(f.Kind, e.Values[n]))
		}
	}
	if len(e.Stack) > 0 {
		s.text.WriteString("  stack:")
		for _, f := range e.Stack {
			s.text.WriteString(" " + f.Func)
		}
		s.text.WriteByte('\n')
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&s.text, "  ! %s %s: %s\n", f.Severity, f.Rule, f.Evidence)
	}
}

// short writes an id without its leading zeros.
func short(id []byte) string {
	return strings.TrimLeft(fmt.Sprintf("%x", id), "0")
}

func (s *transcript) value(kind model.Kind, v model.Value) string {
	switch kind {
	case model.KindStrings:
		return fmt.Sprintf("%q", slices.Collect(v.Strings()))
	case model.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case model.KindBool:
		return strconv.FormatBool(v.Bool())
	case model.KindDuration:
		return v.Duration().String()
	case model.KindTime:
		return s.boot(v.Time()).String()
	}
	if quoted := strconv.Quote(v.Str()); quoted != `"`+v.Str()+`"` {
		return quoted
	}
	return v.Str()
}
