package symbol

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// made returns a function of the given bytes, in hexadecimal, at 0x1000, which is
// at 0x200 of the file.
func made(t testing.TB, text string) *Code {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return codeOf(raw)
}

func codeOf(raw []byte) *Code {
	b := &Binary{img: &image{machine: machineAMD64}, table: &table{}}
	fn := Function{Name: "main.f", Entry: 0x1000, End: 0x1000 + uint64(len(raw))}
	return &Code{b: b, fn: fn, offset: 0x200, text: raw}
}

// Pieces of code.
const (
	check    = "49 3b 66 10 76 10 " // cmp rsp, [r14+16]; jbe +16
	frame    = "55 48 89 e5 "       // push rbp; mov rbp, rsp
	leave    = "5d c3 "             // pop rbp; ret
	restart  = "e8 00 00 00 00 eb "
	checkTLS = "64 48 8b 0c 25 f8 ff ff ff 48 3b 61 10 76 10 " // mov rcx, fs:-8; cmp rsp, [rcx+16]; jbe
)

func TestCode_EntryPoint(t *testing.T) {
	for _, tt := range []struct{ name, code, want string }{
		{"the push after the check of the stack", check + frame + leave, "+6 push"},
		{"after the check of a large frame", "4c 8d 64 24 c8 4d 3b 66 10 76 10" + frame + leave, "+11 push"},
		{"after the check of a huge frame", "49 89 e4 49 81 ec 60 ff 01 00 72 20 4d 3b 66 10 76 10" + frame + leave, "+18 push"},
		{"after a check in assembly", checkTLS + frame + leave, "+15 push"},
		{"although what follows is not decoded", check + frame + "06 06 06", "+6 push"},
		{"although the function is restarted", check + frame + leave + restart + "ed", "+6 push"},
		{"the push of a function without a check", frame + leave, "+0 push"},
		{"the instruction after the check without a push", check + "48 83 ec 18 c3", "+6 sub stepped"},
		{"a nop before anything else", "90 48 89 c3 c3", "+0 nop"},
		{"a jump to another function", "e9 00 10 00 00", "+0 jmp"},
		{"a call as the first thing", "e8 00 10 00 00 c3", "+0 call"},
		{"the jump after a comparison", "48 85 c0 74 01 c3 c3", "+3 je"},
		{"the wide jump after a comparison", "48 85 c0 0f 84 00 00 00 00 c3", "+3 je"},
		{"past what changes a scratch register", "4c 8d 64 24 10 eb 00 c3", "+5 jmp"},
		{"the first instruction when it changes an argument", "48 ff c0 74 00 c3", "+0 inc stepped"},
		{"the first instruction when it writes memory", "48 89 18 74 00 c3", "+0 mov stepped"},
		{"the first instruction when it moves the stack", "48 83 ec 08 eb 00 c3", "+0 sub stepped"},
		{"the first before a loop", "31 db 48 ff c3 75 fb c3", "+0 xor stepped"},
		{"not a push of the stack pointer's new value", "48 83 ec 08 55 c3", "+0 sub stepped"},
		{"not past a jump that may skip it", "48 85 c0 74 02 eb 00 c3", "+3 je"},
		{"not a nop of five bytes", "0f 1f 44 00 00 c3", "error: refuses the nop at +0"},
		{"but what follows it", "0f 1f 44 00 00 eb 00 c3", "+5 jmp"},
		{"the head of a loop", "48 ff c8 75 fb c3", "error: a loop comes back to the instruction at +0"},
		{"a loop that starts at a nop", "90 48 ff c8 75 fa c3", "error: a loop comes back"},
		{"a push in a loop", "55 58 75 fc c3", "error: a loop comes back"},
		{"a table of jumps in a function without a frame", "48 85 c0 ff 24 c1", "error: the jump at +3 may come back"},
		{"a table of jumps after the check", check + "48 83 ec 18 ff 24 c1", "+6 sub stepped"},
		{"a jump through a register", "ff e0", "+0 jmp stepped"},
		{"a locked instruction", "f0 48 ff 00 c3", "error: refuses the inc at +0"},
		{"a vector instruction", "c5 f8 77 c3", "error: refuses the vector instruction at +0"},
		{"a trap", "cc c3", "error: refuses the int at +0"},
		{"a system call", "0f 05 c3", "error: refuses the syscall at +0"},
		{"an undefined instruction", "0f 0b", "error: refuses the ud2 at +0"},
		{"a three-byte opcode", "66 0f 38 00 c1 c3", "error: refuses the pshufb at +0"},
		{"a jump with an operand size", "66 e9 00 00 00 00 c3", "error:"},
		{"bytes that are no instruction", "06 c3", "error: instruction at +0 is not decoded"},
		{"bytes that are none after the entry", "48 89 c3 06", "error: instruction at +3 is not decoded"},
		{"an instruction that is cut off", "48 8b", "error: instruction at +0 is not decoded"},
		{"a jump into an instruction", "48 89 c3 eb fc", "error: into the middle of an instruction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := made(t, tt.code).EntryPoint()
			checkPoint(t, p, err, tt.want)
		})
	}
}

// checkPoint compares with "+offset op[ stepped]" or "error: text".
func checkPoint(t *testing.T, p Point, err error, want string) {
	t.Helper()
	if text, ok := strings.CutPrefix(want, "error:"); ok {
		var point *PointError
		if !errors.As(err, &point) || !strings.Contains(point.Cause, strings.TrimSpace(text)) || point.Func != "main.f" {
			t.Errorf("%+v, error %v; want an error about %q", p, err, text)
		}
		return
	}
	if got := written(p); err != nil || got != want {
		t.Errorf("%s, error %v; want %s", got, err, want)
	}
}

func written(p Point) string {
	text := fmt.Sprintf("%+d %s", int64(p.Addr)-0x1000, p.Op)
	if p.Offset != p.Addr-0x1000+0x200 {
		text += fmt.Sprintf(" at %#x of the file", p.Offset)
	}
	if p.Stepped {
		text += " stepped"
	}
	return text
}

func TestCode_ReturnPoints(t *testing.T) {
	for _, tt := range []struct{ name, code, want string }{
		{"every return", "48 85 c0 74 01 c3 c3", "+5 ret stepped, +6 ret stepped"},
		{"a return with a prefix", "f3 c3", "+0 ret stepped"},
		{"a return that drops arguments", "c2 08 00", "+0 ret stepped"},
		{"a call in the place of the return", "e9 00 10 00 00", "+0 jmp"},
		{"a jump to before the function", "48 85 c0 74 01 c3 e9 00 f0 ff ff", "+5 ret stepped, +6 jmp"},
		{"not a jump inside", "eb 00 c3", "+2 ret stepped"},
		{"not the padding", "c3 cc cc cc", "+0 ret stepped"},
		{"not a table of jumps", "ff 24 c1 c3", "+3 ret stepped"},
		{"none of a function that ends in a call", "e8 00 10 00 00 90 cc", ""},
		{"none of a loop without an end", "eb fe", ""},
		{"past vector instructions", "c5 fe 6f 06 c5 f8 77 62 f1 7c 48 10 00 c3", "+13 ret stepped"},
		{"a jump through a register", "48 85 c0 74 01 c3 ff e0", "error: the jump at +6 goes to an address in a register"},
		{"a jump through memory", "ff 20", "error: the jump at +0 goes to an address in a register or in memory"},
		{"a conditional jump to another function", "48 85 c0 0f 84 00 10 00 00 c3", "error: the conditional jump at +3 leaves"},
		{"code that runs on", "c3 48 ff c0 cc cc", "error: the code runs on into the next function after the instruction at +1"},
		{"a function of padding", "cc cc cc", "error: the code runs on"},
		{"what is not decoded", "c3 06 c3", "error: instruction at +1 is not decoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			points, err := made(t, tt.code).ReturnPoints()
			if strings.HasPrefix(tt.want, "error:") {
				checkPoint(t, Point{}, err, tt.want)
				return
			}
			var got []string
			for _, p := range points {
				got = append(got, written(p))
			}
			if text := strings.Join(got, ", "); err != nil || text != tt.want {
				t.Errorf("%s, error %v; want %s", text, err, tt.want)
			}
		})
	}
}

func TestCode_CallPoints_areTheDirectCallsOfTheCallee(t *testing.T) {
	// Two calls of 0x2000, one of 0x3000, one through a register, one jump.
	c := made(t, "e8 fb 0f 00 00 e8 f6 1f 00 00 ff d0 e8 ef 0f 00 00 e9 ea 0f 00 00")
	points, err := c.CallPoints(Function{Name: "main.g", Entry: 0x2000, End: 0x2010})
	if err != nil || len(points) != 2 || written(points[0]) != "+0 call" || written(points[1]) != "+12 call" {
		t.Errorf("%+v, error %v", points, err)
	}
	if points, err := c.CallPoints(Function{Name: "main.h", Entry: 0x2008, End: 0x2010}); err != nil || len(points) != 0 {
		t.Errorf("of a function that is not called: %+v, error %v", points, err)
	}
	if _, err := made(t, "e8 fb 0f 00 00 06").CallPoints(Function{Entry: 0x2000}); err == nil {
		t.Error("no error for code that is not understood")
	}
}

func TestCode_Size_leavesPaddingOut(t *testing.T) {
	for text, want := range map[string]int{
		"c3":                         1,
		"c3 cc cc cc":                1,
		"48 89 c3 c3 90 cc":          4,
		"eb cc":                      2, // a jump that ends like padding
		check + frame + leave + "cc": 12,
		"06 06 cc cc":                2, // not decoded
	} {
		if got := made(t, text).Size(); got != want {
			t.Errorf("%s: %d bytes, want %d", text, got, want)
		}
	}
}

func TestCode_StackCheck(t *testing.T) {
	for text, want := range map[string]bool{
		check + frame + leave:        true,
		checkTLS + frame + leave:     true,
		check + "48 83 ec 18 c3":     true,
		frame + leave:                false,
		"49 3b 66 10 72 10 c3":       false, // another condition
		"49 3b 46 10 76 10 c3":       false, // of another register
		"49 3b 66 28 76 10 c3":       false, // with another field
		"48 3b 61 10 76 10 55 c3":    false, // rcx is an argument here
		"48 85 c0 74 01 c3 " + check: false,
		"48 83 ec 08 " + check:       false, // the stack has moved
	} {
		if got := made(t, text).StackCheck(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestBinary_Code_refuses(t *testing.T) {
	b := &Binary{}
	if err := b.parse(tiny{}.build()); err != nil {
		t.Fatal(err)
	}
	last := b.Lookup("main.last")["main.last"]
	if _, err := b.Code(last); err != nil {
		t.Errorf("a function of the file: %v", err)
	}
	for name, f := range map[string]Function{
		"nothing":              {},
		"an end before":        {Entry: last.End, End: last.Entry},
		"what is no code":      {Entry: tinyBase + tinyTable, End: tinyBase + tinyTable + 8},
		"what runs past":       {Entry: last.Entry, End: last.Entry + 1<<20},
		"an immense function":  {Entry: last.Entry, End: 1 << 62},
		"the end of addresses": {Entry: ^uint64(0) - 8, End: ^uint64(0)},
	} {
		var point *PointError
		if c, err := b.Code(f); !errors.As(err, &point) {
			t.Errorf("%s: %+v, error %v", name, c, err)
		}
	}
	b.img.machine = machineARM
	for name, err := range map[string]error{
		"entry":   second(b.EntryPoint(last)),
		"returns": second(b.ReturnPoints(last)),
		"calls":   second(b.CallPoints(last, last)),
	} {
		if err == nil || !strings.Contains(err.Error(), "arm64 is not supported yet") || !strings.Contains(err.Error(), "main.last") {
			t.Errorf("%s of code for arm64: error %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestVectorLen(t *testing.T) {
	for _, tt := range []struct {
		code string
		want int
	}{
		{"c5 f8 77", 3},                              // vzeroupper
		{"c5 fe 6f 06", 4},                           // vmovdqu ymm0, [rsi]
		{"c5 fe 6f 44 16 e0", 6},                     // vmovdqu ymm0, [rsi+rdx-32]
		{"c5 fe 6f 05 26 dc 76 00", 8},               // vmovdqu ymm0, [rip+...]
		{"c5 fd d7 d3", 4},                           // vpmovmskb edx, ymm3
		{"c5 fd 70 c8 4e", 5},                        // vpshufd ymm1, ymm0, 0x4e
		{"c5 f5 72 d0 07", 5},                        // vpsrld ymm1, ymm0, 7
		{"c5 f9 c4 c0 01", 5},                        // vpinsrw xmm0, xmm0, eax, 1
		{"c4 e3 7d 39 c1 01", 6},                     // vextracti128 xmm1, ymm0, 1
		{"c4 e3 7b f0 c0 07", 6},                     // rorx eax, eax, 7
		{"c4 42 7d 5a 70 10", 6},                     // vbroadcasti128 ymm14, [r8+16]
		{"c4 e2 f9 f7 c0", 5},                        // shlx rax, rax, rax
		{"c4 e2 7d 58 05 00 00 00 00", 9},            // vpbroadcastd ymm0, [rip]
		{"c5 fb 10 04 25 00 00 00 00", 9},            // vmovsd xmm0, [0]
		{"c5 fb 10 84 24 00 01 00 00", 9},            // vmovsd xmm0, [rsp+256]
		{"62 f1 7c 48 10 00", 6},                     // vmovups zmm0, [rax]
		{"62 f1 7c 48 10 40 01", 7},                  // vmovups zmm0, [rax+64]
		{"62 f1 7c 48 10 c1", 6},                     // vmovups zmm0, zmm1
		{"62 f3 f5 48 25 c2 ff", 7},                  // vpternlogq zmm0, zmm1, zmm2, 255
		{"62 f1 7c 48 10 84 24 00 00 00 00", 11},     // vmovups zmm0, [rsp+...]
		{"62 f1 7c 48 10 05 00 00 00 00", 10},        // vmovups zmm0, [rip]
		{"c5 fe 6f", 0},                              // cut off
		{"c5 fe 6f 44 16", 0},                        // cut off
		{"62 f1 7c 48 10 84 24 00 00 00", 0},         // cut off
		{"c4 e0 79 00 00", 0}, {"c4 ff 79 00 00", 0}, // no such map of opcodes
	} {
		raw := made(t, tt.code).text
		got, err := vectorLen(raw)
		if (err != nil) != (tt.want == 0) || err == nil && got != tt.want {
			t.Errorf("%s: %d, error %v; want %d", tt.code, got, err, tt.want)
		}
	}
}

// FuzzCode asks everything of arbitrary code. What is answered must be the start
// of an instruction of a kind that the kernel takes.
func FuzzCode(f *testing.F) {
	for _, text := range []string{
		check + frame + leave, checkTLS + frame + leave, frame + leave, "48 85 c0 74 01 c3 c3", "eb fe", "ff e0", "ff 24 c1",
		"c5 fe 6f 05 26 dc 76 00 c3", "62 f1 7c 48 10 84 24 00 00 00 00 c3", "66 90 66 66 90 c3", "0f 1f 44 00 00 c3", "f0 48 ff 00",
	} {
		f.Add(made(f, text).text)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 || len(raw) > 1<<12 {
			return
		}
		c := codeOf(raw)
		starts := map[uint64]bool{}
		for off := 0; off < len(raw); {
			in, err := c.decode(off)
			if err != nil {
				break
			}
			starts[uint64(off)] = true
			off += in.Len
		}
		check := func(p Point) {
			off := p.Addr - 0x1000
			if p.Offset != off+0x200 || !starts[off] {
				t.Errorf("%+v is no instruction of % x", p, raw)
			}
			if in, err := x86asm.Decode(raw[off:], 64); err != nil || in.Op == x86asm.NOP && in.Len == 5 || in.Op == x86asm.INT || in.Op == x86asm.SYSCALL {
				t.Errorf("%+v: %v, %v", p, in, err)
			}
		}
		if p, err := c.EntryPoint(); err == nil {
			check(p)
		}
		returns, _ := c.ReturnPoints()
		calls, _ := c.CallPoints(Function{Name: "g", Entry: 0x1005})
		for _, p := range append(returns, calls...) {
			check(p)
		}
		if n := c.Size(); n < 0 || n > len(raw) {
			t.Errorf("%d bytes of %d", n, len(raw))
		}
		c.StackCheck()
	})
}

// FuzzFunctions asks everything about the functions of arbitrary files.
func FuzzFunctions(f *testing.F) {
	for _, p := range []tiny{{}, {pie: true}, {merged: true}, {noSections: true}, {parentPC: 8}, {pie: true, noSections: true}} {
		f.Add(p.build(), "main.*")
	}
	f.Fuzz(func(_ *testing.T, file []byte, pattern string) { exerciseFunctions(file, pattern) })
}

func exerciseFunctions(file []byte, pattern string) {
	b := &Binary{}
	if b.parse(file) != nil {
		return
	}
	in := b.Inlinings(2)
	n := 0
	for f := range b.Functions() {
		if n++; n > 64 {
			break
		}
		if c, err := b.Code(f); err == nil {
			c.EntryPoint()
			c.ReturnPoints()
			c.CallPoints(f)
		}
		in.Into(f.Name)
		PackageOf(f.Name)
	}
	in.Alone()
	b.Lookup("main.outer", "main.inner", pattern)
	b.Match(pattern)
	b.Nearest(pattern, 3)
	b.InlinedInto("main.inner")
	b.Linking()
	b.BuildInfo()
}

func TestFunctions_ofATruncatedFileGiveAnErrorOrAnswers(t *testing.T) {
	for _, p := range []tiny{{}, {pie: true, merged: true}, {noSections: true}} {
		file := p.build()
		for size := 0; size < len(file); size += 13 {
			exerciseFunctions(file[:size:size], "main.*")
		}
	}
}

func TestFunctions_ofAMadeUpProgram(t *testing.T) {
	b := &Binary{}
	if err := b.parse(tiny{parentPC: 0x50}.build()); err != nil {
		t.Fatal(err)
	}
	want := Function{Name: "main.outer", Entry: tinyBase + tinyText, End: tinyBase + tinyText + 0x80}
	if got := b.Lookup("main.outer", "main.inner"); len(got) != 1 || got["main.outer"] != want {
		t.Errorf("Lookup: %+v", got)
	}
	if got := b.InlinedInto("main.inner")["main.inner"]; len(got) != 1 || got[0] != "main.outer" {
		t.Errorf("InlinedInto: %q", got)
	}
	in := b.Inlinings(3)
	if got := in.Alone(); len(got) != 1 || got[0] != "main.inner" {
		t.Errorf("Alone: %q", got)
	}
	if got, total := in.Into("main.inner"); len(got) != 1 || total != 1 {
		t.Errorf("Into: %q of %d", got, total)
	}
	if c, err := b.Code(want); err != nil || c.offset != tinyText {
		t.Errorf("Code: %+v, error %v", c, err)
	}
}
