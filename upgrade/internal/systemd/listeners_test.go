package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// childKey is the variable that makes this program a child of a test.
const childKey = "SYSTEMD_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childKey); what != "" {
		if err := child(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testutil.NoLeaks(m)
}

// child is what a program that a test starts does.
func child(what string) error {
	switch what {
	case "listeners": // what it was passed
		list, err := Listeners(WithPID(os.Environ(), os.Getpid()))
		if err != nil {
			return err
		}
		for _, n := range list {
			f := os.NewFile(uintptr(n.FD), n.Name)
			content, err := io.ReadAll(f)
			if err != nil {
				return err
			}
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
			if err != nil {
				return err
			}
			fmt.Printf("%s=%s inherited:%t\n", n.Name, content, flags&unix.FD_CLOEXEC == 0)
		}
	case "ready":
		n, err := NewNotifier(os.Environ())
		if err != nil {
			return err
		}
		return n.Ready(os.Getppid())
	}
	return nil
}

// command returns this program as a child that does what.
func command(what string, env []string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	// The race detector would sleep before the child exits.
	c.Env = append(env, childKey+"="+what, "GORACE=atexit_sleep_ms=0")
	c.Stderr = os.Stderr
	return c
}

func TestAnnounced(t *testing.T) {
	const pid = 77
	named := func(names ...string) (list []Named) {
		for i, name := range names {
			list = append(list, Named{name, 3 + i})
		}
		return list
	}
	many := strings.Repeat("a:", maxSockets)
	for name, test := range map[string]struct {
		env  []string
		want []Named
		says string
	}{
		"nothing":                        {nil, nil, ""},
		"two":                            {[]string{"LISTEN_PID=77", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:dns"}, named("web", "dns"), ""},
		"without names":                  {[]string{"LISTEN_PID=77", "LISTEN_FDS=2"}, named("unknown", "unknown"), ""},
		"the same name twice":            {[]string{"LISTEN_PID=77", "LISTEN_FDS=3", "LISTEN_FDNAMES=b:a:b"}, named("b", "a", "b"), ""},
		"an empty name":                  {[]string{"LISTEN_PID=77", "LISTEN_FDS=3", "LISTEN_FDNAMES=b::c"}, named("b", "unknown", "c"), ""},
		"one of an empty name":           {[]string{"LISTEN_PID=77", "LISTEN_FDS=1", "LISTEN_FDNAMES="}, named("unknown"), ""},
		"systemd's own names":            {[]string{"LISTEN_PID=77", "LISTEN_FDS=2", "LISTEN_FDNAMES=a b.socket:[1]=é"}, nil, "printable ASCII"},
		"for another process":            {[]string{"LISTEN_PID=78", "LISTEN_FDS=2"}, nil, ""},
		"for nobody":                     {[]string{"LISTEN_FDS=2"}, nil, ""},
		"no number of sockets":           {[]string{"LISTEN_PID=77"}, nil, ""},
		"no sockets":                     {[]string{"LISTEN_PID=77", "LISTEN_FDS=0"}, nil, ""},
		"the first of two counts":        {[]string{"LISTEN_PID=77", "LISTEN_FDS=1", "LISTEN_FDS=2"}, named("unknown"), ""},
		"a variable that looks like one": {[]string{"LISTEN_PID=77", "LISTEN_FDS=1", "LISTEN_FDNAMESX=a"}, named("unknown"), ""},
		"the most":                       {[]string{"LISTEN_PID=77", "LISTEN_FDS=4096", "LISTEN_FDNAMES=" + many[:len(many)-1]}, named(slices.Repeat([]string{"a"}, 4096)...), ""},
		"too many":                       {[]string{"LISTEN_PID=77", "LISTEN_FDS=4097"}, nil, `LISTEN_FDS="4097": not a number from 0 to 4096`},
		"a process that is no number":    {[]string{"LISTEN_PID=self", "LISTEN_FDS=1"}, nil, `LISTEN_PID="self": not a number`},
		"a process that has no number":   {[]string{"LISTEN_PID=", "LISTEN_FDS=1"}, nil, `LISTEN_PID="": not a number`},
		"process 0":                      {[]string{"LISTEN_PID=0", "LISTEN_FDS=1"}, nil, `LISTEN_PID="0"`},
		"a process below 0":              {[]string{"LISTEN_PID=-77", "LISTEN_FDS=1"}, nil, `LISTEN_PID="-77"`},
		"a process beyond all":           {[]string{"LISTEN_PID=4294967373", "LISTEN_FDS=1"}, nil, `LISTEN_PID="4294967373"`},
		"sockets that are no number":     {[]string{"LISTEN_PID=77", "LISTEN_FDS=two"}, nil, `LISTEN_FDS="two"`},
		"sockets with a space":           {[]string{"LISTEN_PID=77", "LISTEN_FDS= 2"}, nil, `LISTEN_FDS=" 2"`},
		"fewer than no sockets":          {[]string{"LISTEN_PID=77", "LISTEN_FDS=-1"}, nil, `LISTEN_FDS="-1"`},
		"a name too few":                 {[]string{"LISTEN_PID=77", "LISTEN_FDS=2", "LISTEN_FDNAMES=a"}, nil, "has 1 names, LISTEN_FDS=2"},
		"a name too many":                {[]string{"LISTEN_PID=77", "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b:c"}, nil, "has 3 names, LISTEN_FDS=2"},
		"a control character":            {[]string{"LISTEN_PID=77", "LISTEN_FDS=1", "LISTEN_FDNAMES=a\nb"}, nil, "printable ASCII"},
		"a very long name":               {[]string{"LISTEN_PID=77", "LISTEN_FDS=1", "LISTEN_FDNAMES=" + strings.Repeat("a", 256)}, nil, "256 bytes: more than 255"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := announced(test.env, pid)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestListeners_ofAChild(t *testing.T) {
	names := []string{"web", "dns", "web"}
	env, err := Environment([]string{"LISTEN_PID=1", "LISTEN_FDS=9", "LISTEN_FDNAMES=x"}, names)
	if err != nil {
		t.Fatal(err)
	}
	c := command("listeners", env)
	for i := range names {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		fmt.Fprint(w, i)
		w.Close()
		c.ExtraFiles = append(c.ExtraFiles, r)
	}
	out, err := c.Output()
	if want := "web=0 inherited:false\ndns=1 inherited:false\nweb=2 inherited:false\n"; string(out) != want || err != nil {
		t.Errorf("got %q, want %q, %v", out, want, err)
	}
}

func TestListeners_thatAreNotThere(t *testing.T) {
	// The descriptors of a test end long before.
	env := WithPID([]string{"LISTEN_FDS=4000"}, os.Getpid())
	list, err := Listeners(env)
	if list != nil || !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "descriptor ") {
		t.Errorf("%d sockets, %v", len(list), err)
	}
}

func TestEnvironment(t *testing.T) {
	before := []string{"HOME=/", "LISTEN_PID=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "LISTEN_PIDFDID=5", "LISTEN_FDSX=1"}
	keep := slices.Clone(before)
	for name, test := range map[string]struct {
		names []string
		want  []string
		says  string
	}{
		"two":                 {[]string{"web", "dns"}, []string{"HOME=/", "LISTEN_FDSX=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:dns"}, ""},
		"the same name twice": {[]string{"a", "a"}, []string{"HOME=/", "LISTEN_FDSX=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=a:a"}, ""},
		"none":                {nil, []string{"HOME=/", "LISTEN_FDSX=1"}, ""},
		"a colon":             {[]string{"a:b"}, nil, `"a:b"`},
		"a new line":          {[]string{"a\nb"}, nil, `"a\nb"`},
		"a zero":              {[]string{"a\x00"}, nil, `"a\x00"`},
		"not ASCII":           {[]string{"é"}, nil, `"é"`},
		"no name":             {[]string{""}, nil, "without a name"},
		"a long name":         {[]string{strings.Repeat("x", 256)}, nil, "256 bytes"},
		"too many":            {slices.Repeat([]string{"x"}, 4097), nil, "4097 sockets"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Environment(before, test.names)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !slices.Equal(before, keep) {
				t.Errorf("the argument is changed: %q", before)
			}
		})
	}
}

func FuzzAnnounced(f *testing.F) {
	f.Add("77", "2", "web:dns")
	f.Add("77", "1", "")
	f.Add("-1", "99999999999999999999", ":::")
	f.Fuzz(func(t *testing.T, pid, fds, names string) {
		got, err := announced([]string{"LISTEN_PID=" + pid, "LISTEN_FDS=" + fds, "LISTEN_FDNAMES=" + names}, 77)
		if len(got) > maxSockets || err != nil && got != nil {
			t.Errorf("%d sockets, %v", len(got), err)
		}
		if err != nil || len(got) == 0 {
			return
		}
		// What is read can be passed on, and reads the same.
		var list []string
		for _, n := range got {
			list = append(list, n.Name)
		}
		env, err := Environment(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		again, err := announced(WithPID(env, 77), 77)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%v, then %v, %v", got, again, err)
		}
	})
}
