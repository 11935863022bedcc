package target

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestGoProcessesAreNamed(t *testing.T) {
	root, _ := fakeHost(t)
	table, _ := fakeTable(t, root, TableOptions{})
	if got := table.GoProcesses(); len(got) != 0 {
		t.Errorf("%d processes of an empty table", len(got))
	}
	if err := table.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got := map[int32]string{}
	for _, p := range table.GoProcesses() {
		got[p.ID.PID] = p.Service
		if p.Go == nil {
			t.Errorf("process %d is no Go program", p.ID.PID)
		}
	}
	if len(got) != 2 || got[40] != "cart" || got[50] == "" {
		t.Errorf("services = %v, want those of processes 40, cart, and 50", got)
	}
	table.Exit(model.ProcessID{PID: 40, Start: 900})
	if left := table.GoProcesses(); len(left) != 1 || left[0].ID.PID != 50 {
		t.Errorf("after the end of one: %+v", left)
	}
}

func TestOpenRunning(t *testing.T) {
	root, server := fakeHost(t)
	table, _ := fakeTable(t, root, TableOptions{})
	content, err := os.ReadFile(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		id   model.ProcessID
		gone bool
		fail bool // for another reason
	}{
		{name: "running", id: model.ProcessID{PID: 40, Start: 900}},
		{name: "another process of that file", id: model.ProcessID{PID: 50, Start: 970}},
		{name: "an earlier process of that id", id: model.ProcessID{PID: 40, Start: 899}, gone: true},
		{name: "zombie", id: model.ProcessID{PID: 42, Start: 960}, gone: true},
		{name: "never there", id: model.ProcessID{PID: 4000, Start: 1}, gone: true},
		{name: "vanishing", id: model.ProcessID{PID: 77, Start: 1}, gone: true},
		{name: "executable that is gone", id: model.ProcessID{PID: 41, Start: 950}, fail: true},
		{name: "kernel thread", id: model.ProcessID{PID: 9, Start: 2}, fail: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			running, err := table.OpenRunning(test.id)
			if test.gone || test.fail {
				if err == nil || errors.Is(err, ErrGone) != test.gone {
					t.Fatalf("error = %v, want ErrGone: %t", err, test.gone)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer running.File.Close()
			got, err := io.ReadAll(running.File)
			if err != nil || !slices.Equal(got, content) {
				t.Errorf("%d bytes of the file, %v, want %d", len(got), err, len(content))
			}
			if running.ID != fileOf(t, server) || running.StartCode != 4198400 {
				t.Errorf("running = %+v, want file %+v", running, fileOf(t, server))
			}
		})
	}
}

// TestOpenRunningTakesWhatRuns replaces the file of a real process.
func TestOpenRunningTakesWhatRuns(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another program"), 0o755); err != nil {
		t.Fatal(err)
	}
	table := NewTable(TableOptions{})
	p, ok := table.Get(int32(cmd.Process.Pid))
	if !ok {
		t.Fatal("the process is not known")
	}
	running, err := table.OpenRunning(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer running.File.Close()
	if got, err := io.ReadAll(running.File); err != nil || !slices.Equal(got, content) {
		t.Errorf("%d bytes, %v, want the %d that run", len(got), err, len(content))
	}
	if running.ID == fileOf(t, path) || running.StartCode == 0 {
		t.Errorf("running = %+v", running)
	}
}
