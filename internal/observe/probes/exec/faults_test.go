package exec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// broken returns the probe with some of its programs spoiled.
func broken(spoil map[string]func(*ebpf.ProgramSpec)) *probe.Spec {
	spec := Spec()
	load := spec.Load
	spec.Load = func() (*ebpf.CollectionSpec, error) {
		object, err := load()
		if err != nil {
			return nil, err
		}
		for name, f := range spoil {
			f(object.Programs[name])
		}
		return object, nil
	}
	return spec
}

// noHook makes a program for a hook that no kernel has.
func noHook(p *ebpf.ProgramSpec) { p.AttachTo = "goshawk_has_no_such_hook" }

// unverifiable makes a program that no verifier accepts.
func unverifiable(p *ebpf.ProgramSpec) { p.Instructions = asm.Instructions{asm.Return()} }

func TestPartsFailAlone(t *testing.T) {
	testutil.RequireBPF(t)
	for _, test := range []struct {
		program, part string
		spoil         func(*ebpf.ProgramSpec)
		check         func(t *testing.T, e *model.Event)
	}{
		{"exec_fork", "sched:sched_process_fork", noHook, func(t *testing.T, e *model.Event) {
			if len(e.Stack) > 0 || e.GoroutineID != 0 {
				t.Errorf("a call site without forks: %+v", e)
			}
		}},
		{"exec_reap", "sched:sched_process_free", unverifiable, func(t *testing.T, e *model.Event) {
			if e.Values[fieldUnreaped].IsSet() || evidence(e, "zombie") != "" {
				t.Errorf("a process that was waited for is taken for a zombie: %+v", e)
			}
		}},
		{"exec_wait", "sched:sched_process_wait", noHook, nil},
		{"exec_signal", "signal:signal_generate", unverifiable, nil},
		{"exec_pipes", "iter:task", unverifiable, nil},
	} {
		t.Run(test.program, func(t *testing.T) {
			l := startLive(t, broken(map[string]func(*ebpf.ProgramSpec){test.program: test.spoil}), probe.Options{}, nil)
			since := time.Now()
			command := testutil.StartTarget(t, "/bin/sh", "-c", "exit 6")
			command.Wait()
			e := l.wait(t, "the command", 1, func(e *model.Event) bool { return int(e.PID) == command.PID && !e.Time.Before(since) })[0]
			if got := e.Values[fieldExitCode].Int(); got != 6 {
				t.Errorf("exit code = %d, want 6", got)
			}
			if test.check != nil {
				test.check(t, e)
			}
			h := l.probe.Health()
			if !h.Up || len(h.Off) != 1 {
				t.Fatalf("health = %+v, want one part off", h)
			}
			if f := h.Off[0]; f.Part != test.part || f.Cause == "" || f.Missing == "" || f.Hint == "" {
				t.Errorf("fault = %+v", f)
			}
		})
	}
}

func TestWithoutARequiredPart(t *testing.T) {
	testutil.RequireBPF(t)
	for _, program := range []string{"exec_exec", "exec_exit"} {
		t.Run(program, func(t *testing.T) {
			prefix := uniquePrefix()
			p, err := probe.Start(renamed(broken(map[string]func(*ebpf.ProgramSpec){program: noHook}), prefix), probe.Host{}, probe.Options{})
			if err == nil {
				p.Close()
			}
			var unsupported *platform.UnsupportedError
			if !errors.As(err, &unsupported) || unsupported.Hint == "" {
				t.Fatalf("Start = %v, want an UnsupportedError with a hint", err)
			}
			awaitKernelObjects(t, prefix, 0)
		})
	}
}

func TestCloseLeavesNothingInTheKernel(t *testing.T) {
	testutil.RequireBPF(t)
	prefix := uniquePrefix()
	l := startLive(t, renamed(Spec(), prefix), probe.Options{}, nil)
	// Twelve maps, and a program and a link for each attach point of this kernel.
	want := 12
	for _, point := range Spec().Attach {
		if point.Applies() {
			want += 2
		}
	}
	awaitKernelObjects(t, prefix, want)
	l.stop()
	if err := l.probe.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	awaitKernelObjects(t, prefix, 0)
	if err := l.probe.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if h := l.probe.Health(); h.Up || h.Lost != 0 {
		t.Errorf("health of a closed probe = %+v", h)
	}
}

// uniquePrefix begins the names of the kernel objects of one test: other
// instances of the probe may run on this host.
func uniquePrefix() string { return fmt.Sprintf("t%x_", os.Getpid()) }

// renamed returns the probe with its programs and maps called by other names.
func renamed(spec *probe.Spec, prefix string) *probe.Spec {
	load := spec.Load
	spec.Load = func() (*ebpf.CollectionSpec, error) {
		object, err := load()
		if err != nil {
			return nil, err
		}
		for name, program := range object.Programs {
			program.Name = prefix + strings.TrimPrefix(name, "exec_")
		}
		for name, m := range object.Maps {
			if !strings.HasPrefix(name, ".") {
				m.Name = prefix + strings.TrimPrefix(name, "per_cpu_")
			}
		}
		return object, nil
	}
	return spec
}

// awaitKernelObjects waits until there are n programs, maps and links whose
// names begin with prefix: the kernel frees them some time after they are
// closed.
func awaitKernelObjects(t *testing.T, prefix string, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		objects := kernelObjects(t, prefix)
		if len(objects) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d objects in the kernel, want %d: %q", len(objects), n, objects)
		}
	}
}

func kernelObjects(t *testing.T, prefix string) []string {
	t.Helper()
	var names []string
	programs := map[ebpf.ProgramID]bool{}
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it is gone
		}
		if info, err := p.Info(); err == nil && strings.HasPrefix(info.Name, prefix) {
			names = append(names, "program "+info.Name)
			programs[id] = true
		}
		p.Close()
	}
	for id, err := ebpf.MapGetNextID(0); err == nil; id, err = ebpf.MapGetNextID(id) {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && strings.HasPrefix(info.Name, prefix) {
			names = append(names, "map "+info.Name)
		}
		m.Close()
	}
	links := new(link.Iterator)
	defer links.Close()
	for links.Next() {
		if info, err := links.Link.Info(); err == nil && programs[info.Program] {
			names = append(names, fmt.Sprint("link of program ", info.Program))
		}
	}
	return names
}
