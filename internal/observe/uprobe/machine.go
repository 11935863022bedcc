package uprobe

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
)

// meter is the program that costs are measured on, as machine code. It reads
// two words from its standard input, how many calls and which slot, calls that
// often the function of the slot, answers with one byte, and ends at the end of
// its input. A slot is a loop and its function; each is probed by one trial.
type meter struct {
	machine elf.Machine
	start   []byte
	slot    []byte
	// points are the probed instructions of a slot's function, by [Point], in
	// bytes from the slot. The stack pointer is the same at all, and the g
	// register holds the address of readable memory.
	points [5]uint64
}

// meterAMD64 is written down here rather than compiled so that a measurement
// needs no toolchain and no file.
var meterAMD64 = meter{
	machine: elf.EM_X86_64,
	start: []byte{
		0x48, 0x83, 0xec, 0x20, // sub rsp, 32
		0x31, 0xc0, // next: xor eax, eax (read)
		0x31, 0xff, // xor edi, edi
		0x48, 0x89, 0xe6, // mov rsi, rsp
		0xba, 0x10, 0, 0, 0, // mov edx, 16
		0x0f, 0x05, // syscall
		0x48, 0x83, 0xf8, 0x10, // cmp rax, 16
		0x75, 0x2b, // jne exit
		0x49, 0x89, 0xe6, // mov r14, rsp
		0x48, 0x8b, 0x1c, 0x24, // mov rbx, [rsp]
		0x48, 0x8d, 0x0d, 0x26, 0, 0, 0, // lea rcx, [rip+slots]
		0x48, 0x03, 0x4c, 0x24, 0x08, // add rcx, [rsp+8]
		0xff, 0xd1, // call rcx
		0xb8, 1, 0, 0, 0, // mov eax, 1 (write)
		0xbf, 1, 0, 0, 0, // mov edi, 1
		0x48, 0x89, 0xe6, // mov rsi, rsp
		0xba, 1, 0, 0, 0, // mov edx, 1
		0x0f, 0x05, // syscall
		0xeb, 0xc1, // jmp next
		0xb8, 0x3c, 0, 0, 0, // exit: mov eax, 60
		0x31, 0xff, // xor edi, edi
		0x0f, 0x05, // syscall
	},
	slot: []byte{
		0xe8, 6, 0, 0, 0, // slot: call f
		0x48, 0xff, 0xcb, // dec rbx
		0x75, 0xf6, // jne slot
		0xc3,             // ret
		0x48, 0x89, 0xc0, // f: mov rax, rax
		0x55,       // push rbp
		0x5d,       // pop rbp
		0xeb, 0x00, // jmp to the next instruction
		0xc3, // ret
	},
	points: [5]uint64{EntryStepped: 11, EntryEmulated: 14, ReturnEmulated: 16, ReturnStepped: 18},
}

var meterARM64 = meter{
	machine: elf.EM_AARCH64,
	start: words(
		0xd10083ff, // sub sp, sp, #32
		0xd2800000, // next: mov x0, #0
		0x910003e1, // mov x1, sp
		0xd2800202, // mov x2, #16
		0xd28007e8, // mov x8, #63 (read)
		0xd4000001, // svc #0
		0xf100401f, // cmp x0, #16
		0x54000181, // b.ne exit
		0x910003fc, // mov x28, sp
		0xa94027f3, // ldp x19, x9, [sp]
		0x1000018a, // adr x10, slots
		0x8b09014a, // add x10, x10, x9
		0xd63f0140, // blr x10
		0xd2800020, // mov x0, #1
		0x910003e1, // mov x1, sp
		0xd2800022, // mov x2, #1
		0xd2800808, // mov x8, #64 (write)
		0xd4000001, // svc #0
		0x17ffffef, // b next
		0xd2800000, // exit: mov x0, #0
		0xd2800ba8, // mov x8, #93
		0xd4000001, // svc #0
	),
	slot: words(
		0xaa1e03f4, // slot: mov x20, x30
		0x94000004, // again: bl f
		0xf1000673, // subs x19, x19, #1
		0x54ffffc1, // b.ne again
		0xd65f0280, // ret x20
		0x9100016b, // f: add x11, x11, #0
		0x14000001, // b to the next instruction
		0x14000001, // b to the next instruction
		0x9100016b, // add x11, x11, #0
		0xd65f03c0, // ret
	),
	points: [5]uint64{EntryStepped: 20, EntryEmulated: 24, ReturnEmulated: 28, ReturnStepped: 32},
}

func words(instructions ...uint32) []byte {
	var code []byte
	for _, i := range instructions {
		code = binary.LittleEndian.AppendUint32(code, i)
	}
	return code
}

// hostMeter returns the program for this host's architecture.
func hostMeter() (*meter, error) {
	switch runtime.GOARCH {
	case "amd64":
		return &meterAMD64, nil
	case "arm64":
		return &meterARM64, nil
	}
	return nil, fmt.Errorf("architecture %s: no program to measure on", runtime.GOARCH)
}

const (
	elfHeaderSize  = 64
	progHeaderSize = 56
	codeOffset     = elfHeaderSize + progHeaderSize
	loadAddress    = 0x10000
)

// slotAt returns where a slot is, in bytes from the first.
func (m *meter) slotAt(i int) uint64 { return uint64(i * len(m.slot)) }

// offset returns where an instruction of a slot is in the file.
func (m *meter) offset(slot int, p Point) uint64 {
	return codeOffset + uint64(len(m.start)) + m.slotAt(slot) + m.points[p]
}

// image returns the program as an ELF file with so many slots.
func (m *meter) image(slots int) []byte {
	le := binary.LittleEndian
	size := uint64(codeOffset + len(m.start) + slots*len(m.slot))
	b := append(make([]byte, 0, size), 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint16(b, uint16(elf.ET_EXEC))
	b = le.AppendUint16(b, uint16(m.machine))
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, loadAddress+codeOffset)
	b = le.AppendUint64(b, elfHeaderSize)
	b = le.AppendUint64(b, 0) // no sections
	b = le.AppendUint32(b, 0)
	for _, n := range []uint16{elfHeaderSize, progHeaderSize, 1, 0, 0, 0} {
		b = le.AppendUint16(b, n)
	}
	b = le.AppendUint32(b, uint32(elf.PT_LOAD))
	b = le.AppendUint32(b, uint32(elf.PF_R|elf.PF_X))
	for _, n := range []uint64{0, loadAddress, loadAddress, size, size, 0x10000} {
		b = le.AppendUint64(b, n)
	}
	b = append(b, m.start...)
	for range slots {
		b = append(b, m.slot...)
	}
	return b
}

// file writes the program to memory that can be executed; the caller closes
// it. Where the kernel forbids that it is a deleted file in the folder for
// temporary files.
func (m *meter) file(slots int) (*os.File, error) {
	f, err := memoryFile()
	if err != nil {
		if f, err = deletedFile(m.image(slots)); err != nil {
			return nil, fmt.Errorf("write the program to measure on: %w", err)
		}
		return f, nil
	}
	if _, err := f.Write(m.image(slots)); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the program to measure on: %w", err)
	}
	return f, nil
}

// deletedFile returns an executable file, open for reading, without a name.
func deletedFile(image []byte) (*os.File, error) {
	w, err := os.CreateTemp("", "goshawk-meter-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(w.Name())
	_, err = w.Write(image)
	if err == nil {
		err = w.Chmod(0o700)
	}
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	return os.Open(w.Name())
}
