package exec

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// forkFunction is where Go's vforked child runs until its execve.
const forkFunction = "syscall.forkAndExecInChild1"

// errnoOffset finds, in the amd64 code of [forkFunction], the slot of its
// result err1 relative to the saved frame pointer. Every failure in the child,
// that of execve included, is kept there before the child gives up.
//
// The compiler stores RawSyscall's third result, in RCX, right behind the call
// whose number is SYS_EXECVE. False means that the code looks different.
func errnoOffset(code []byte) (int, bool) {
	frame, ok := frameSize(code)
	if !ok {
		return 0, false
	}
	// mov eax, SYS_EXECVE
	number := binary.LittleEndian.AppendUint32([]byte{0xb8}, unix.SYS_EXECVE)
	for at := bytes.Index(code, number); at >= 0; {
		rest := code[at+len(number):]
		if slot, ok := storeAfterCall(rest); ok {
			return slot - frame, true
		}
		next := bytes.Index(rest, number)
		if next < 0 {
			break
		}
		at += len(number) + next
	}
	return 0, false
}

// frameSize returns how far the frame pointer lies above the stack pointer
// after the prologue.
func frameSize(code []byte) (int, bool) {
	prologue := code[:min(len(code), 64)]
	// sub rsp, imm32
	at := bytes.Index(prologue, []byte{0x48, 0x81, 0xec})
	if at < 0 || at+7 > len(prologue) {
		return 0, false
	}
	size := int(binary.LittleEndian.Uint32(prologue[at+3:]))
	// Go before 1.21 reserves the saved frame pointer's word with the frame:
	// mov [rsp+disp32], rbp follows.
	if bytes.HasPrefix(prologue[at+7:], []byte{0x48, 0x89, 0xac, 0x24}) {
		size -= 8
	}
	return size, size > 0 && size < 1<<16
}

// storeAfterCall expects, within a few bytes, a call and behind it stores of
// results to the stack, and returns the offset from RSP at which RCX is stored
// last. Optimised code stores it alone; other code keeps each result in two
// places of its own before it assigns the third to err1.
func storeAfterCall(code []byte) (slot int, ok bool) {
	const padding, stores = 8, 8
	call := bytes.IndexByte(code[:min(len(code), padding)], 0xe8)
	if call < 0 || call+5 > len(code) {
		return 0, false
	}
	rest := code[call+5:]
	for range stores {
		register, offset, size, isStore := storeToStack(rest)
		if !isStore {
			break
		}
		if register == rcx {
			slot, ok = offset, true
		}
		rest = rest[size:]
	}
	return slot, ok
}

// rcx is the number of RCX in an instruction's encoding.
const rcx = 1

// storeToStack reads mov [rsp+offset], register.
func storeToStack(code []byte) (register byte, offset, size int, ok bool) {
	if len(code) < 8 || code[0] != 0x48 || code[1] != 0x89 || code[2]&7 != 4 || code[3] != 0x24 {
		return 0, 0, 0, false
	}
	register = code[2] >> 3 & 7
	switch code[2] >> 6 {
	case 1:
		return register, int(int8(code[4])), 5, true
	case 2:
		return register, int(int32(binary.LittleEndian.Uint32(code[4:]))), 8, true
	}
	return 0, 0, 0, false
}

// errnoName returns the name of the errno at offset from the end of frame,
// which holds the memory below the frame pointer. It returns "_OTHER", as the
// semantic conventions ask for an unknown error, when there is none.
func errnoName(frame []byte, offset int, ok bool) string {
	at := len(frame) + offset
	if !ok || at < 0 || at+8 > len(frame) {
		return unknownError
	}
	errno := binary.LittleEndian.Uint64(frame[at:])
	if errno == 0 || errno > 4095 {
		return unknownError
	}
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return unknownError
}

const unknownError = "_OTHER"
