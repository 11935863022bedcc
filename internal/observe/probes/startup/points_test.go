package startup

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestMainIsPassedOnAtOnce waits for main.main of programs that then wait
// themselves. Go 1.20 has no function that runs the inits one by one, and so no
// phase that ends there.
func TestMainIsPassedOnAtOnce(t *testing.T) {
	for _, toolchain := range []string{"", "go1.20.14"} {
		t.Run("toolchain "+toolchain, func(t *testing.T) {
			path := testutil.BuildGo(t, testutil.Dir("testdata/victim"), testutil.BuildOptions{Toolchain: toolchain})
			o := observe(t, true, path)
			v := testutil.StartTarget(t, path, "wait")
			select {
			case name := <-o.marks:
				if name != startup.Main {
					t.Errorf("mark %q, want %q", name, startup.Main)
				}
			case <-time.After(patience):
				t.Fatal("that main.main was entered is not passed on while the program runs")
			}
			v.Stdin.Close()
			s := o.next()
			if s.Phase(startup.Main) == nil || toolchain != "" && (s.Phase(startup.PackageInits) != nil || len(s.Unseen) == 0) {
				t.Errorf("phases %q, unseen %q", names(s), s.Unseen)
			}
		})
	}
}

// TestResponseIsOfAnOpenConnection has a first connection that leaves again, and a
// file with the number of its descriptor that is written to.
func TestResponseIsOfAnOpenConnection(t *testing.T) {
	path := victim(t)
	for _, how := range []string{"close", "dup", "range"} {
		t.Run(how, func(t *testing.T) {
			o := observe(t, true, path)
			v := testutil.StartTarget(t, path, "probed", how, filepath.Join(t.TempDir(), "log"))
			address := v.WaitLine("")
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			v.WaitLine("logged")
			answer(t, "tcp", address)
			v.Stdin.Close()
			s := o.next()
			accept, response := s.Phase(startup.FirstAccept), s.Phase(startup.FirstResponse)
			if accept == nil || response == nil {
				t.Fatalf("phases = %q", names(s))
			}
			// It begins where the second connection is accepted.
			if response.Begin <= accept.Begin {
				t.Errorf("accept %+v, response %+v", accept, response)
			}
		})
	}
}

// TestEachPhaseSaysWhatItWasMadeOf holds those phases to it that have no length, or
// that no two points of the runtime bound.
func TestEachPhaseSaysWhatItWasMadeOf(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	v := testutil.StartTarget(t, path, "serve")
	answer(t, "tcp", v.WaitLine(""))
	// The runtime has made the thread of sysmon; on a busy machine the kernel may
	// not have let it run yet.
	allRan(t, v.PID)
	v.Stdin.Close()
	s := o.next()
	for _, name := range []string{startup.KernelExec, startup.Sysmon, startup.FirstListen, startup.FirstAccept, startup.FirstResponse} {
		p := s.Phase(name)
		if p == nil {
			t.Fatalf("no %s among %q", name, names(s))
		}
		if !p.HasSyscalls {
			t.Errorf("%s: system calls were not counted", name)
		}
	}
	p := s.Phase(startup.KernelExec)
	if sum := p.CPU + p.RunDelay + p.OffCPU; p.Duration == 0 || sum != p.Duration || p.CPU == 0 || p.MinorFaults == 0 {
		t.Errorf("kernel_exec: %+v", p.Usage)
	}
}

// allRan blocks until each thread of a process was on a CPU.
func allRan(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("not all threads ran: %q, %v", paths, err)
		}
		ran := len(paths) > 1
		for _, path := range paths {
			text, err := os.ReadFile(path)
			ran = ran && err == nil && !strings.HasPrefix(string(text), "0 ")
		}
		if ran {
			return
		}
	}
}

// preload builds a library that does something when it is loaded.
func preload(t *testing.T, body string) string {
	t.Helper()
	gcc := testutil.RequireTool(t, "gcc", "gcc")
	source, library := filepath.Join(t.TempDir(), "p.c"), filepath.Join(t.TempDir(), "p.so")
	text := "#include <unistd.h>\n#include <time.h>\n__attribute__((constructor)) static void begin(void) {\n" + body + "\n}\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return library
}

// TestLoaderThatWaits tells a loader that sleeps from one that computes, also where
// nothing is observed of a program before its own first instruction.
func TestLoaderThatWaits(t *testing.T) {
	const sleeps, spins = "usleep(200000);", "while (clock() < CLOCKS_PER_SEC / 5);"
	for _, tt := range []struct {
		name, body string
		detail     bool
	}{
		{"sleeps, and all programs are observed", sleeps, false},
		{"computes, and all programs are observed", spins, false},
		{"sleeps, and one start was asked for", sleeps, true},
		{"computes, and one start was asked for", spins, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			library := preload(t, tt.body)
			path := testutil.BuildGo(t, testutil.Dir("testdata/victim"), testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}})
			o := observe(t, tt.detail, path)
			cmd := exec.Command(path, "status")
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
			s := o.run(cmd)
			p := s.Phase(startup.Loader)
			if p == nil {
				t.Fatalf("phases %q", names(s))
			}
			if sum := p.CPU + p.RunDelay + p.OffCPU; sum != p.Duration {
				t.Errorf("CPU %v, run delay %v and off CPU %v are %v, want %v", p.CPU, p.RunDelay, p.OffCPU, sum, p.Duration)
			}
			if tt.body == sleeps && (p.OffCPU < 150*time.Millisecond || p.CPU > 100*time.Millisecond) ||
				tt.body == spins && (p.CPU < 150*time.Millisecond || p.OffCPU > 100*time.Millisecond) {
				t.Errorf("the loader: %+v", p.Usage)
			}
		})
	}
}
