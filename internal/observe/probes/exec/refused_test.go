package exec

import (
	"encoding/binary"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// toolchains are the Go releases whose programs are understood; the empty one
// runs the test.
func toolchains() []string {
	if testing.Short() {
		return []string{""}
	}
	return []string{"go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.7", ""}
}

// TestErrnoOffset compares what is found in the code of real programs, behind
// the execve, with what the child's last write to its parent says.
func TestErrnoOffset(t *testing.T) {
	testutil.RequireArch(t, "the layout of the frame is known for amd64 only", "amd64")
	source := testutil.Files{"main.go": "package main\n\nimport \"os/exec\"\n\nfunc main() { exec.Command(\"x\").Run() }\n"}
	for _, toolchain := range toolchains() {
		for name, flags := range map[string][]string{
			"optimised": nil, "not optimised": {"-gcflags=all=-N -l"}, "PIE": {"-buildmode=pie"},
		} {
			t.Run(strings.TrimSpace(toolchain+" "+name), func(t *testing.T) {
				path := testutil.BuildGo(t, source, testutil.BuildOptions{Toolchain: toolchain, Flags: flags})
				b, err := symbol.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				offset, ok := errnoSlot(b)
				if !ok {
					t.Fatal("not found")
				}
				// The record holds this much of the frame.
				if held := len(bpfRefusedRecord{}.Frame); offset > -8 || offset < -held || offset%8 != 0 {
					t.Errorf("offset = %d, want a word within the %d bytes of the frame", offset, held)
				}
				if want := objdumpSlot(t, path, b); offset != want {
					t.Errorf("offset = %d, want %d, from where the child's last write takes the errno", offset, want)
				}
			})
		}
	}
}

// objdumpSlot returns the offset of err1 by another way: its address is what
// the child passes to write(2) before it exits with 253. It follows the
// disassembly of the Go toolchain.
func objdumpSlot(t *testing.T, path string, b *symbol.Binary) int {
	t.Helper()
	entry, end, _ := b.Func(forkFunction)
	frame, ok := frameSize(b.Text(entry, end))
	if !ok {
		t.Fatal("no frame")
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", "^"+strings.ReplaceAll(forkFunction, ".", `\.`)+"$", path).Output()
	if err != nil {
		t.Fatalf("go tool objdump %s: %v", path, err)
	}
	// "$0xfd, BX" loads the exit code; the last LEAQ of a stack address
	// before it is that of err1.
	slot := 0
	for text := range strings.Lines(string(out)) {
		if at := strings.Index(text, "LEAQ 0x"); at >= 0 && strings.Contains(text, "(SP)") && !strings.Contains(text, "LEAQ 0xffff") {
			number, _, _ := strings.Cut(text[at+len("LEAQ 0x"):], "(")
			n, err := strconv.ParseInt(number, 16, 32)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			slot = int(n)
		}
		if strings.Contains(text, "$0xfd, ") {
			return slot - frame
		}
	}
	t.Fatal("no exit with 253")
	return 0
}

func TestErrnoOffsetRefuses(t *testing.T) {
	good := goodForkCode()
	if offset, ok := errnoOffset(good); !ok || offset != 0x40-0x300 {
		t.Fatalf("errnoOffset = %d, %t for the code that the others are made from", offset, ok)
	}
	for name, code := range map[string][]byte{
		"nothing":             nil,
		"no prologue":         good[7:],
		"half a prologue":     good[:5],
		"no execve":           good[:7],
		"cut before the call": good[:len(good)-6],
		"cut in the call":     good[:len(good)-9],
		"no store":            append(append([]byte(nil), good[:len(good)-5]...), 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90),
		"huge frame":          append([]byte{0x48, 0x81, 0xec, 0, 0, 1, 0}, good[7:]...),
	} {
		t.Run(name, func(t *testing.T) {
			if offset, ok := errnoOffset(code); ok {
				t.Errorf("found %d", offset)
			}
		})
	}
}

// goodForkCode is sub rsp, 0x300; mov eax, SYS_EXECVE; call; mov [rsp+0x40],
// rcx; and room behind.
func goodForkCode() []byte {
	code := []byte{0x48, 0x81, 0xec, 0, 3, 0, 0, 0xb8, unix.SYS_EXECVE & 0xff, 0, 0, 0, 0xe8, 1, 2, 3, 4}
	return append(code, 0x48, 0x89, 0x4c, 0x24, 0x40, 0x90, 0x90, 0x90)
}

func TestErrnoName(t *testing.T) {
	frame := make([]byte, 64)
	binary.LittleEndian.PutUint64(frame[40:], uint64(unix.ENOENT))
	binary.LittleEndian.PutUint64(frame[48:], 1<<40)
	for _, test := range []struct {
		name   string
		frame  []byte
		offset int
		ok     bool
		want   string
	}{
		{"known", frame, -24, true, "ENOENT"},
		{"slot not known", frame, -24, false, unknownError},
		{"no error", frame, -32, true, unknownError},
		{"no errno", frame, -16, true, unknownError},
		{"beyond the frame pointer", frame, -4, true, unknownError},
		{"below what was read", frame, -72, true, unknownError},
		{"nothing was read", nil, -24, true, unknownError},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := errnoName(test.frame, test.offset, test.ok); got != test.want {
				t.Errorf("errnoName = %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzErrnoOffset(f *testing.F) {
	f.Add(goodForkCode())
	f.Add([]byte{})
	f.Add([]byte{0x48, 0x81, 0xec, 0, 3, 0, 0, 0x48, 0x89, 0xac, 0x24, 0xb8, unix.SYS_EXECVE & 0xff, 0, 0, 0, 0xe8})
	f.Fuzz(func(t *testing.T, code []byte) {
		offset, ok := errnoOffset(code)
		frame := make([]byte, 2048)
		if name := errnoName(frame, offset, ok); name != unknownError {
			t.Errorf("an empty frame has the errno %s", name)
		}
	})
}
