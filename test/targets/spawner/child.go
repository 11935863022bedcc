package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
)

// The code of the child for amd64, by what it does.
var (
	exitCode = [...]byte{
		0x31, 0xff, //                   xor edi, edi
		0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60 (exit)
		0x0f, 0x05, //                   syscall
	}
	pauseCode = [...]byte{
		0xb8, 0x22, 0x00, 0x00, 0x00, // mov eax, 34 (pause)
		0x0f, 0x05, //                   syscall
		0xeb, 0xf7, //                   jmp to the start
	}
)

const (
	loadAddress = 0x400000
	headerBytes = 64
	segmentSize = 56
)

// image returns an ELF file of one segment, headers included, whose entry is
// code.
func image(code []byte) []byte {
	size := uint64(headerBytes + segmentSize + len(code))
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), // ET_EXEC, x86-64, version
		uint64(loadAddress + headerBytes + segmentSize), // entry
		uint64(headerBytes), uint64(0), uint32(0),       // program headers, no sections, flags
		uint16(headerBytes), uint16(segmentSize), uint16(1), // one program header
		uint16(0), uint16(0), uint16(0), // no section headers
		uint32(1), uint32(5), uint64(0), // PT_LOAD, read and execute, from the file's start
		uint64(loadAddress), uint64(loadAddress), size, size, uint64(0x1000),
	} {
		// Writes of fixed-size values to a buffer do not fail.
		_ = binary.Write(&b, binary.LittleEndian, field)
	}
	b.Write(code)
	return b.Bytes()
}

// writeChild puts the command into dir and returns its path, and the arguments
// that must come first.
func writeChild(dir string, paused bool) (path string, args []string, err error) {
	if runtime.GOARCH != "amd64" {
		if paused {
			return "/bin/sleep", []string{"1000000"}, nil
		}
		return "/bin/true", nil, nil
	}
	code := exitCode[:]
	if paused {
		code = pauseCode[:]
	}
	path = filepath.Join(dir, "noop")
	return path, nil, os.WriteFile(path, image(code), 0o755)
}
