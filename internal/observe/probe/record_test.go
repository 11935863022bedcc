package probe

import (
	"testing"
	"unsafe"
)

type testHead struct {
	A uint64
	B uint32
	C uint32
}

func TestView(t *testing.T) {
	memory := make([]uint64, 8)
	aligned := unsafe.Slice((*byte)(unsafe.Pointer(&memory[0])), 64)
	aligned[0], aligned[8], aligned[12], aligned[16] = 1, 2, 3, 4
	head, rest, err := View[testHead](aligned[:20])
	if err != nil || *head != (testHead{1, 2, 3}) || len(rest) != 4 || rest[0] != 4 {
		t.Fatalf("View = %+v, %v, %v", head, rest, err)
	}
	if unsafe.Pointer(head) != unsafe.Pointer(&memory[0]) {
		t.Error("the head is a copy")
	}
	if _, rest, err := View[testHead](aligned[:16]); err != nil || len(rest) != 0 {
		t.Errorf("a record of the head alone: %v, %v", rest, err)
	}
	for name, record := range map[string][]byte{
		"nothing": nil, "short": aligned[:15], "not aligned": aligned[4:40],
	} {
		t.Run(name, func(t *testing.T) {
			if head, rest, err := View[testHead](record); err == nil || head != nil || rest != nil {
				t.Errorf("View = %v, %v, %v, want an error alone", head, rest, err)
			}
		})
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte(nil), 0)
	f.Add([]byte("0123456789abcdefrest"), 0)
	f.Add([]byte("0123456789abcdefrest"), 3)
	f.Fuzz(func(t *testing.T, data []byte, from int) {
		if from < 0 || from > len(data) {
			return
		}
		_, rest, err := View[testHead](data[from:])
		if err == nil && (int(unsafe.Sizeof(testHead{}))+len(rest) != len(data)-from) {
			t.Errorf("%d bytes are left of %d", len(rest), len(data)-from)
		}
	})
}

func TestCString(t *testing.T) {
	for _, test := range []struct {
		name string
		c    []int8
		want string
	}{
		{"none", nil, ""}, {"empty", []int8{0, 'x'}, ""}, {"ended", []int8{'s', 'h', 0, 'x'}, "sh"}, {"full", []int8{'s', 'h'}, "sh"},
		{"no ASCII", []int8{-1, -128, 0}, "\xff\x80"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(CString(test.c)); got != test.want {
				t.Errorf("CString = %q, want %q", got, test.want)
			}
			if got := Bytes(test.c); len(got) != len(test.c) {
				t.Errorf("Bytes has %d of %d", len(got), len(test.c))
			}
		})
	}
}

func TestTextSharesMemory(t *testing.T) {
	b := []byte("before")
	text := Text(b)
	copy(b, "after!")
	if text != "after!" {
		t.Errorf("Text = %q after its bytes changed", text)
	}
	if Text(nil) != "" {
		t.Error("Text of nothing is something")
	}
}
