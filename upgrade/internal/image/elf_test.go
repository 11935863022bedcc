package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
)

// native is the machine of most tests here; what they build is never executed.
var native = machine{class: elf.ELFCLASS64, order: elf.ELFDATA2LSB, number: elf.EM_X86_64}

// draft is a program that a test builds: its headers, and how many bytes they have
// behind them.
type draft struct {
	machine
	header   elf.Header64
	programs []elf.Prog64
	sections []elf.Section64
	tail     string
}

const codeAt = 0x1000

// newDraft returns a program that is right: one segment of code, and one of data.
func newDraft(m machine) *draft {
	return &draft{
		machine: m,
		header:  elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m.number), Entry: 0x401000},
		programs: []elf.Prog64{
			{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: codeAt, Vaddr: 0x401000, Filesz: 0x100, Memsz: 0x100},
			{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: codeAt + 0x100, Vaddr: 0x402100, Filesz: 0x80, Memsz: 0x1000},
		},
		tail: string(make([]byte, 0x180)),
	}
}

// bytes lays the headers before codeAt and the tail at it.
func (d *draft) bytes() []byte {
	var out bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&out, d.byteOrder(), v); err != nil {
			panic(err)
		}
	}
	h := d.header
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(d.class), byte(d.order), 1
	size, program, section := 64, 56, 64
	if d.class == elf.ELFCLASS32 {
		size, program, section = 52, 32, 40
	}
	set := func(field *uint16, value int) {
		if *field == 0 {
			*field = uint16(value)
		}
	}
	set(&h.Phentsize, program)
	set(&h.Phnum, len(d.programs))
	set(&h.Shentsize, section)
	set(&h.Shnum, len(d.sections))
	if h.Phoff == 0 {
		h.Phoff = uint64(size)
	}
	if h.Shoff == 0 && len(d.sections) > 0 {
		h.Shoff = uint64(size + program*len(d.programs))
	}
	if d.class == elf.ELFCLASS32 {
		write(elf.Header32{Ident: h.Ident, Type: h.Type, Machine: h.Machine, Entry: uint32(h.Entry), Phoff: uint32(h.Phoff),
			Shoff: uint32(h.Shoff), Phentsize: h.Phentsize, Phnum: h.Phnum, Shentsize: h.Shentsize, Shnum: h.Shnum})
	} else {
		write(h)
	}
	for _, p := range d.programs {
		if d.class == elf.ELFCLASS32 {
			write(elf.Prog32{Type: p.Type, Off: uint32(p.Off), Vaddr: uint32(p.Vaddr), Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz), Flags: p.Flags})
		} else {
			write(p)
		}
	}
	for _, s := range d.sections {
		if d.class == elf.ELFCLASS32 {
			write(elf.Section32{Type: s.Type, Off: uint32(s.Off), Size: uint32(s.Size)})
		} else {
			write(s)
		}
	}
	out.Write(make([]byte, max(0, codeAt-out.Len())))
	out.WriteString(d.tail)
	return out.Bytes()
}

func (d *draft) interpreter(name string) {
	d.programs = append(d.programs, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: codeAt + uint64(len(d.tail)), Filesz: uint64(len(name))})
	d.tail += name
}

func checkBytes(m machine, data []byte) (string, error) {
	p := program{machine: m, file: bytes.NewReader(data), size: uint64(len(data)), page: 4096}
	return p.check()
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*draft)
		want   error
		says   string
	}{
		"what is right":                        {func(*draft) {}, nil, ""},
		"position independent":                 {func(d *draft) { d.header.Type = uint16(elf.ET_DYN) }, nil, ""},
		"no data in the file for a segment":    {func(d *draft) { d.programs[1].Filesz, d.programs[1].Off = 0, 7 }, nil, ""},
		"a second interpreter is not read":     {func(d *draft) { d.interpreter("/ld\x00"); d.interpreter("none") }, nil, ""},
		"sections that lie in the file":        {func(d *draft) { d.sections = make([]elf.Section64, 1500) }, nil, ""},
		"a section of no bytes in the file":    {func(d *draft) { d.sections = []elf.Section64{{Type: uint32(elf.SHT_NOBITS), Off: 9e9, Size: 9}} }, nil, ""},
		"an object":                            {func(d *draft) { d.header.Type = uint16(elf.ET_REL) }, ErrFormat, "ET_REL"},
		"a core file":                          {func(d *draft) { d.header.Type = uint16(elf.ET_CORE) }, ErrFormat, "ET_CORE"},
		"another machine":                      {func(d *draft) { d.header.Machine = uint16(elf.EM_AARCH64) }, ErrMachine, "EM_AARCH64, this one runs EM_X86_64"},
		"32 bits":                              {func(d *draft) { d.class = elf.ELFCLASS32 }, ErrMachine, "ELFCLASS32"},
		"the other byte order":                 {func(d *draft) { d.order = elf.ELFDATA2MSB }, ErrMachine, "ELFDATA2MSB"},
		"no program headers":                   {func(d *draft) { d.programs = nil }, ErrFormat, "no program headers"},
		"program headers of another size":      {func(d *draft) { d.header.Phentsize = 57 }, ErrFormat, "57 bytes each"},
		"more program headers than the kernel": {func(d *draft) { d.header.Phnum = 1171 }, ErrFormat, "1171 program headers"},
		"program headers behind the end":       {func(d *draft) { d.header.Phoff = 1 << 20 }, ErrTruncated, "its program headers"},
		"program headers behind everything":    {func(d *draft) { d.header.Phoff = math.MaxUint64 - 7 }, ErrFormat, "its program headers"},
		"nothing to load":                      {func(d *draft) { d.programs[0].Type, d.programs[1].Type = 0, 0 }, ErrFormat, "nothing of it is to be loaded"},
		"a segment behind the end":             {func(d *draft) { d.tail = d.tail[:len(d.tail)-1] }, ErrTruncated, "its program header 1 ends at byte 4480, the file at 4479"},
		"a segment behind everything":          {func(d *draft) { d.programs[1].Off = math.MaxUint64 - 1 }, ErrFormat, "its program header 1"},
		"a segment at the sign":                {func(d *draft) { d.programs[1].Off = 1 << 63 }, ErrFormat, "its program header 1"},
		"a segment longer than in memory":      {func(d *draft) { d.programs[0].Memsz = 0xff }, ErrFormat, "256 bytes, but 255 in memory"},
		"a segment behind all memory":          {func(d *draft) { d.programs[1].Memsz = math.MaxUint64 }, ErrFormat, "behind all memory"},
		"a segment that cannot be mapped":      {func(d *draft) { d.programs[1].Vaddr++ }, ErrFormat, "cannot be mapped"},
		"a library that has no first command":  {func(d *draft) { d.header.Entry = 0 }, ErrFormat, "first instruction, at 0x0"},
		"a first instruction behind the code":  {func(d *draft) { d.header.Entry = 0x401100 }, ErrFormat, "first instruction"},
		"a first instruction in data":          {func(d *draft) { d.header.Entry = 0x402100 }, ErrFormat, "first instruction"},
		"dynamic data behind the end": {func(d *draft) {
			d.programs = append(d.programs, elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: codeAt, Filesz: 0x181})
		}, ErrTruncated, "its program header 2"},
		"an interpreter without an end":      {func(d *draft) { d.interpreter("/ld") }, ErrFormat, "no name of an interpreter"},
		"an interpreter without a name":      {func(d *draft) { d.interpreter("\x00\x00") }, ErrFormat, "no name of an interpreter"},
		"an interpreter of no bytes":         {func(d *draft) { d.interpreter("") }, ErrFormat, "of 0 bytes"},
		"an interpreter of a very long name": {func(d *draft) { d.interpreter(strings.Repeat("x", 4096) + "\x00") }, ErrFormat, "of 4097 bytes"},
		"an interpreter behind the end":      {func(d *draft) { d.interpreter("/ld\x00"); d.programs[2].Off += 2 }, ErrTruncated, "its program header 2"},
		"a table of sections behind the end": {func(d *draft) { d.sections = make([]elf.Section64, 1); d.header.Shoff = 1 << 20 }, ErrTruncated, "the table of its sections"},
		"a section behind the end": {func(d *draft) {
			d.sections = []elf.Section64{{Type: uint32(elf.SHT_PROGBITS), Off: codeAt, Size: 0x181}}
		}, ErrTruncated, "one of its sections"},
		"the last of many sections is behind": {func(d *draft) {
			d.sections = make([]elf.Section64, 1500)
			d.sections[1499] = elf.Section64{Type: 1, Off: 1 << 40}
		}, ErrTruncated, "one of its sections"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDraft(native)
			test.change(d)
			_, err := checkBytes(native, d.bytes())
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

func TestCheck_knowsTheMachines(t *testing.T) {
	all := []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x"}
	for _, runs := range all {
		for _, built := range all {
			here, there := machineOf(runs), machineOf(built)
			_, err := checkBytes(here, newDraft(there).bytes())
			if here == there && err != nil {
				t.Errorf("%s on %s: %v", built, runs, err)
			}
			if here != there && !errors.Is(err, ErrMachine) {
				t.Errorf("%s on %s: %v, want %v", built, runs, err, ErrMachine)
			}
		}
	}
	if _, err := checkBytes(machineOf("new64le"), newDraft(native).bytes()); err != nil {
		t.Errorf("a machine that is not known takes every number: %v", err)
	}
}

func TestCheck_returnsTheInterpreter(t *testing.T) {
	for _, m := range []machine{native, machineOf("mips")} {
		d := newDraft(m)
		d.interpreter("/lib/ld.so\x00\x00")
		got, err := checkBytes(m, d.bytes())
		if got != "/lib/ld.so" || err != nil {
			t.Errorf("%v: %q, %v", m.class, got, err)
		}
	}
}

// Every beginning of a program is found to be one.
func TestCheck_findsEveryTruncation(t *testing.T) {
	for _, m := range []machine{native, machineOf("mips")} {
		d := newDraft(m)
		d.sections = []elf.Section64{{Type: uint32(elf.SHT_PROGBITS), Off: codeAt + 0x180, Size: 5}}
		d.tail += "debug"
		whole := d.bytes()
		if _, err := checkBytes(m, whole); err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			want := ErrTruncated
			if n > 0 && n < len(elf.ELFMAG) {
				want = ErrFormat
			}
			if _, err := checkBytes(m, whole[:n]); !errors.Is(err, want) {
				t.Errorf("%v: the first %d bytes: %v, want %v", m.class, n, err, want)
			}
		}
	}
}

// recorder notes the longest read, and fails the test's way.
type recorder struct {
	io.ReaderAt
	longest int
	err     error
}

func (r *recorder) ReadAt(b []byte, offset int64) (int, error) {
	r.longest = max(r.longest, len(b))
	if r.err != nil && offset > 0 {
		return 0, r.err
	}
	return r.ReaderAt.ReadAt(b, offset)
}

// endless is a file of zeros behind its first bytes.
type endless []byte

func (e endless) ReadAt(b []byte, offset int64) (int, error) {
	clear(b)
	if offset < int64(len(e)) {
		copy(b, e[offset:])
	}
	return len(b), nil
}

func TestCheck_readsLittleOfWhatClaimsMuch(t *testing.T) {
	d := newDraft(native)
	d.header.Phnum, d.header.Shnum, d.header.Shoff = 1170, 65535, 1<<30
	data := d.bytes()
	r := &recorder{ReaderAt: endless(data)}
	p := program{machine: native, file: r, size: 1 << 40, page: 4096}
	if _, err := p.check(); err != nil {
		t.Fatal(err)
	}
	if r.longest > 64<<10 {
		t.Errorf("it reads %d bytes at once", r.longest)
	}
}

func TestCheck_passesOnWhatTheDiskSays(t *testing.T) {
	broken := errors.New("a broken disk")
	data := newDraft(native).bytes()
	for want, err := range map[error]error{broken: broken, ErrTruncated: io.EOF} {
		p := program{machine: native, file: &recorder{ReaderAt: bytes.NewReader(data), err: err}, size: uint64(len(data)), page: 4096}
		if _, err := p.check(); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self[:8192], uint16(0))
	f.Add([]byte("#!/bin/sh\n"), uint16(0))
	for _, m := range []machine{native, machineOf("mips"), machineOf("386")} {
		d := newDraft(m)
		d.sections = make([]elf.Section64, 3)
		d.interpreter("/lib/ld.so\x00")
		f.Add(d.bytes(), uint16(8))
	}
	f.Fuzz(func(t *testing.T, data []byte, more uint16) {
		for _, m := range []machine{native, machineOf("mips")} {
			p := program{machine: m, file: bytes.NewReader(data), size: uint64(len(data)), page: 4096}
			_, err := p.check()
			if err != nil {
				known := 0
				for _, e := range []error{ErrScript, ErrFormat, ErrMachine, ErrTruncated} {
					if errors.Is(err, e) {
						known++
					}
				}
				if known != 1 {
					t.Errorf("%v: it is %d of the errors", err, known)
				}
			} else if _, err := checkBytes(m, append(bytes.Clone(data), make([]byte, more)...)); err != nil {
				t.Errorf("what is right is not so with %d bytes behind it: %v", more, err)
			}
			// A file that got shorter since its size was read.
			p.size += uint64(more)
			_, _ = p.check()
		}
	})
}
