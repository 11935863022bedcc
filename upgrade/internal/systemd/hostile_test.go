package systemd

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// dial connects to a receiver, to send it what a Notifier would not.
func dial(t testing.TB, r *Receiver) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: r.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestParseFields(t *testing.T) {
	var many, tooMany strings.Builder
	for i := range maxFields + 1 {
		if i < maxFields {
			fmt.Fprintf(&many, "K%d=v\n", i)
		}
		fmt.Fprintf(&tooMany, "K%d=v\n", i)
	}
	for name, test := range map[string]struct {
		text string
		want map[string]string
		says string
	}{
		"one":                    {"READY=1", map[string]string{"READY": "1"}, ""},
		"two":                    {"READY=1\nSTATUS=a=b", map[string]string{"READY": "1", "STATUS": "a=b"}, ""},
		"empty lines":            {"\n\nREADY=1\n\n", map[string]string{"READY": "1"}, ""},
		"the first counts":       {"A=1\nA=2", map[string]string{"A": "1"}, ""},
		"an empty value":         {"STATUS=", map[string]string{"STATUS": ""}, ""},
		"a tab, and other text":  {"STATUS=a\tü", map[string]string{"STATUS": "a\tü"}, ""},
		"a field of a user":      {"X_my-field2=1", map[string]string{"X_my-field2": "1"}, ""},
		"the longest":            {"A=" + strings.Repeat("x", maxMessage-2), map[string]string{"A": strings.Repeat("x", maxMessage-2)}, ""},
		"longer":                 {"A=" + strings.Repeat("x", maxMessage-1), nil, "more than 4096 bytes"},
		"one field too many":     {tooMany.String(), nil, "more than 64 fields"},
		"nothing":                {"", nil, "empty"},
		"only new lines":         {"\n\n", nil, "empty"},
		"no value":               {"READY", nil, "KEY=value"},
		"no key":                 {"=1", nil, "KEY=value"},
		"a key of two words":     {"A B=1", nil, "KEY=value"},
		"a key of other letters": {"É=1", nil, "KEY=value"},
		"no text":                {"A=\xff", nil, "UTF-8"},
		"a zero":                 {"A=1\x00", nil, "control characters"},
		"an escape":              {"STATUS=\x1b[2J", nil, "control characters"},
		"an escape of 8 bits":    {"STATUS=\u009b2J", nil, "control characters"},
		"a carriage return":      {"A=1\r\nB=2", nil, "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseFields([]byte(test.text))
			if (err == nil) != (test.says == "") || err != nil && (!errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), test.says)) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got, err := parseFields([]byte(many.String())); len(got) != maxFields || err != nil {
		t.Errorf("%d fields, %v", len(got), err)
	}
}

func TestMessage_mainPID(t *testing.T) {
	for value, want := range map[string]int{"1": 1, "2147483647": 2147483647, "2147483648": 0, "0": 0, "-1": 0, "x": 0, "": 0, "1 ": 0} {
		got, err := Message{Fields: map[string]string{"MAINPID": value}}.MainPID()
		if got != want || (want == 0) != errors.Is(err, ErrMessage) {
			t.Errorf("%q: %d, %v", value, got, err)
		}
	}
	if got, err := (Message{}).MainPID(); got != 0 || err != nil {
		t.Errorf("without one: %d, %v", got, err)
	}
}

func TestMessage_extendTimeout(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1": time.Microsecond, "90000000": 90 * time.Second, "3600000000": time.Hour, "3600000001": time.Hour, "18446744073709551615": time.Hour,
		"": -1, "0": -1, "-1": -1, "1.5": -1, "infinity": -1, "18446744073709551616": -1,
	} {
		d, err := Message{Fields: map[string]string{"EXTEND_TIMEOUT_USEC": value}}.ExtendTimeout()
		if want > 0 && (d != want || err != nil) || want < 0 && (d != 0 || !errors.Is(err, ErrMessage)) {
			t.Errorf("%q: %v, %v", value, d, err)
		}
	}
	if d, err := (Message{}).ExtendTimeout(); d != 0 || err != nil {
		t.Errorf("%v, %v", d, err)
	}
}

func TestReceive_goesOnAfterWhatIsNoMessage(t *testing.T) {
	r, n := ends(t)
	c := dial(t, r)
	for _, text := range []string{"", "x", "A=\xff", strings.Repeat("A=1\n", 1025), strings.Repeat("x", 100_000)} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		m, err := r.Receive(t.Context())
		if !errors.Is(err, ErrMessage) {
			t.Errorf("%.20q: %v, %v", text, m, err)
		}
	}
	if err := n.Ready(0); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, r); !m.Is("READY") {
		t.Error(m)
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestReceive_closesDescriptors(t *testing.T) {
	r, _ := ends(t)
	c := dial(t, r)
	for name, test := range map[string]struct {
		text string
		fds  int
		good bool
	}{
		"with a message":       {"FDSTORE=1", 1, true},
		"the most":             {"READY=1", maxDescriptors, true},
		"with no message":      {"x", 5, false},
		"with one of no bytes": {"", 5, false},
		"with a long message":  {strings.Repeat("x", maxMessage+1), 5, false},
		"with half a barrier":  {"BARRIER=1\nREADY=1", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			null, err := os.Open("/dev/null")
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			fds := make([]int, test.fds)
			for i := range fds {
				fds[i] = int(null.Fd())
			}
			before := openFiles(t)
			if err := sendMessage(c, []byte(test.text), unix.UnixRights(fds...)); err != nil {
				t.Fatal(err)
			}
			m, err := r.Receive(t.Context())
			if (err == nil) != test.good || err != nil && !errors.Is(err, ErrMessage) {
				t.Errorf("%v, %v", m, err)
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

// Root can name another process, but one that lives.
func TestReceive_ofAProcessThatIsNone(t *testing.T) {
	r, _ := ends(t)
	c := dial(t, r)
	forged := unix.UnixCredentials(&unix.Ucred{Pid: 1 << 30, Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())})
	if err := sendMessage(c, []byte("READY=1"), forged); err == nil {
		m, err := r.Receive(t.Context())
		t.Errorf("it may be sent as process %d: %v", m.PID, err)
	}
}

func FuzzParseFields(f *testing.F) {
	f.Add([]byte("READY=1\nMAINPID=12\nSTATUS=ready = fine"))
	f.Add([]byte("MONOTONIC_USEC=1\n\n=\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, err := parseFields(text)
		if err != nil {
			if fields != nil || !errors.Is(err, ErrMessage) {
				t.Errorf("%v, %v", fields, err)
			}
			return
		}
		var again strings.Builder
		for key, value := range fields {
			if strings.ContainsAny(key+value, "\n\x00\x1b") || !utf8.ValidString(value) || strings.Contains(key, "=") {
				t.Errorf("%q=%q", key, value)
			}
			again.WriteString(key + "=" + value + "\n")
		}
		if got, err := parseFields([]byte(strings.TrimSuffix(again.String(), "\n"))); !maps.Equal(got, fields) || err != nil {
			t.Errorf("%q, then %q, %v", fields, got, err)
		}
		_, _ = Message{Fields: fields}.MainPID()
	})
}

func FuzzReadControl(f *testing.F) {
	f.Add(unix.UnixCredentials(&unix.Ucred{Pid: 5}))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control []byte) {
		// The kernel alone writes these; descriptors would be closed for real.
		list, err := unix.ParseSocketControlMessage(control)
		for _, c := range list {
			if err == nil && c.Header.Type == unix.SCM_RIGHTS {
				return
			}
		}
		_, _ = readControl(control)
	})
}
