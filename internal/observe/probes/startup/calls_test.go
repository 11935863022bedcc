package startup

import (
	"fmt"
	"maps"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestCallsAreCounted connects more often than each connect is told.
func TestCallsAreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	path := victim(t)
	o := observe(t, true, path)
	o.run(exec.Command(path, "dials", address))
	o.stop()
	connects, events := int64(0), 0
	for _, c := range o.calls {
		if c.name == "connect" && c.operand == address {
			connects += c.stands
			events++
		}
	}
	if connects != 200 || events > maxTold+4 {
		t.Errorf("%d events stand for %d connects, want 200", events, connects)
	}
}

func TestCallThatCrossesMain(t *testing.T) {
	path := victim(t)
	s := observe(t, true, path).run(with(path, "CROSSES=1"))
	main := s.Phase(startup.Main)
	if main == nil {
		t.Fatalf("phases %q", names(s))
	}
	if !slices.ContainsFunc(main.Calls, func(c startup.Call) bool { return c.Name == "read" && c.Begin < main.Begin }) {
		t.Errorf("main has no read that began before it, of %d calls", len(main.Calls))
	}
}

func TestTheListenItselfIsTold(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	v := testutil.StartTarget(t, path, "serve")
	address := v.WaitLine("")
	v.Stdin.Close()
	s := o.next()
	main := s.Phase(startup.Main)
	if main == nil {
		t.Fatalf("phases %q", names(s))
	}
	if i := slices.IndexFunc(main.Calls, func(c startup.Call) bool { return c.Name == "listen" }); i < 0 {
		t.Errorf("main has no listen on %s", address)
	}
}

func TestCallsOfAnInterval(t *testing.T) {
	connect := func(n int, operand string, result int64) (list []call) {
		for i := range n {
			list = append(list, call{name: "connect", operand: operand, begin: uint64(1000 * i), took: uint64(10 + i%7), result: result})
		}
		return list
	}
	for _, tt := range []struct {
		name string
		list []call
		want map[callKind]int64 // how many calls the events stand for
		most int                // events
	}{
		{"each by itself", connect(5, "a:1", -111), map[callKind]int64{{"connect", "a:1", -111}: 5}, 5},
		{"more than are told", connect(1000, "a:1", -111), map[callKind]int64{{"connect", "a:1", -111}: 1000}, maxTold + 2},
		{"that fail and succeed", append(connect(300, "a:1", -111), connect(1, "a:1", 7)...), map[callKind]int64{{"connect", "a:1", -111}: 300, {"connect", "a:1", 0}: 1}, maxTold + 4},
		{"to different places", append(connect(300, "a:1", 0), connect(300, "b:1", 0)...), map[callKind]int64{{"connect", "a:1", 0}: 300, {"connect", "b:1", 0}: 300}, maxTold + 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c calls
			ends := map[callKind][2]uint64{} // when the first and the last began
			for _, one := range tt.list {
				c.add(one)
				end, there := ends[one.kind()]
				if !there {
					end[0] = one.begin
				}
				end[1] = one.begin
				ends[one.kind()] = end
			}
			kept := c.kept()
			got := map[callKind]int64{}
			for _, one := range kept {
				got[one.kind()] += max(one.stands, 1)
			}
			if !maps.Equal(got, tt.want) || len(kept) > tt.most {
				t.Errorf("%d events stand for %v, want %v", len(kept), got, tt.want)
			}
			for kind, end := range ends {
				for _, begin := range end {
					if !slices.ContainsFunc(kept, func(one call) bool { return one.kind() == kind && one.begin == begin }) {
						t.Errorf("the first or the last of %v is not told", kind)
					}
				}
			}
		})
	}
}

func TestLongestOfManyCalls(t *testing.T) {
	var c calls
	for i := range 1000 {
		c.add(call{name: "openat", operand: fmt.Sprint(i), begin: uint64(i), took: uint64(i)})
	}
	kept := c.kept()
	if len(kept) != maxCalls || kept[0].took != 1000-maxCalls || len(c.tallies) != 0 {
		t.Errorf("%d calls are kept, the shortest of %d; %d kinds are counted", len(kept), kept[0].took, len(c.tallies))
	}
	for i := range 10 * maxKinds {
		c.add(call{name: "connect", operand: fmt.Sprint(i), begin: uint64(i)})
	}
	if len(c.tallies) != maxKinds {
		t.Errorf("%d kinds are counted, want %d", len(c.tallies), maxKinds)
	}
}

// FuzzOperand reads what programs hand to the kernel: anything.
func FuzzOperand(f *testing.F) {
	f.Add(uint8(bpfOperandKindOPERAND_ADDRESS), []byte("\x02\x00\x1f\x90\x7f\x00\x00\x01                    "))
	f.Add(uint8(bpfOperandKindOPERAND_ADDRESS), []byte("\x01\x00/run/x\x00                               "))
	f.Add(uint8(bpfOperandKindOPERAND_PATH), []byte("/etc/hosts\x00x"))
	f.Fuzz(func(t *testing.T, kind uint8, rest []byte) {
		if got := operandText(&bpfStartupRecord{OperandKind: kind}, rest); len(got) > len(rest)+64 || strings.Contains(got, "\x00") {
			t.Errorf("operand of %q = %q", rest, got)
		}
	})
}
